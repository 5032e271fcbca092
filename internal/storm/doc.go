// Package storm has one test and nothing else: two connected Conns whose every method is called at
// random, over every transport, and an account of each message from end to end.
package storm
