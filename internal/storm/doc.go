// Package storm has one test and nothing else. It calls every method of two connected Conns at
// random, over every transport, and accounts for each message from end to end.
package storm
