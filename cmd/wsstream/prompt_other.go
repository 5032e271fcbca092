//go:build !unix

package main

// onResize does nothing: the system does not tell.
func onResize(func()) (stop func()) { return func() {} }
