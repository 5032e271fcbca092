// Package model and the packages below it compare wsstream with small models of itself.
//
// Package conn draws random programs of calls on one connection, and runs them against a scripted
// peer over a faulty transport. A model judges what was delivered, and how each call ended.
//
// Package kqueue is a model of another kind: of the kernel under the poller of the BSDs and macOS.
package model
