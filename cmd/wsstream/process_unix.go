//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// ownGroup makes the process the leader of a group, which has its own children, too. An interrupt
// at the terminal does not reach it.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// terminate and kill signal the group. An error says that it has ended.
func terminate(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
func kill(cmd *exec.Cmd)      { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
