// Command bench measures wsstream against other WebSocket libraries for Go. As "bench soak" it
// loads wsstream for a while and accounts for every message. Its README says how to run and read
// it.
package main

import (
	"fmt"
	"os"

	"github.com/wsstream/wsstream/bench/internal/peer"
	"github.com/wsstream/wsstream/bench/internal/proc"
	"github.com/wsstream/wsstream/bench/internal/scenario"
	"github.com/wsstream/wsstream/bench/internal/soak"
	"github.com/wsstream/wsstream/bench/internal/work"
)

func main() {
	switch role := proc.Role(); role {
	case "":
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	case scenario.RoleLibrary:
		child(role, work.Serve)
	case scenario.RolePeer:
		child(role, peer.Serve)
	case soak.RoleServer:
		child(role, soak.ServeServer)
	case soak.RoleClients:
		child(role, soak.ServeClients)
	default:
		child(role, func() error { return fmt.Errorf("no such role") })
	}
}

// child serves the parent until its input ends.
func child(role string, serve func() error) {
	if err := serve(); err != nil {
		fmt.Fprintf(os.Stderr, "bench: the %s's process: %v\n", role, err)
		os.Exit(1)
	}
}
