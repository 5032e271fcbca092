//go:build !unix

package main

import (
	"os/exec"
	"syscall"
)

func ownGroup() *syscall.SysProcAttr { return nil }

// terminate does what kill does: the system has no SIGTERM.
func terminate(cmd *exec.Cmd) { kill(cmd) }
func kill(cmd *exec.Cmd)      { _ = cmd.Process.Kill() }
