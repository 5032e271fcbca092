// Command gopeer is the battery's peer for the WebSocket libraries of Go.
//
//	gopeer LIBRARY server|client|version
package main

import (
	"bufio"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
)

// A library is one under test.
type library struct {
	module string
	serve  func(w http.ResponseWriter, r *http.Request) (conn, error)
	dial   func(url string) (conn, error)
}

var libraries = map[string]library{
	"gorilla": gorillaLibrary,
	"coder":   coderLibrary,
	"gobwas":  gobwasLibrary,
	"gws":     gwsLibrary,
	"nbio":    nbioLibrary,
	"x-net":   xnetLibrary,
}

const subprotocol = "battery.wsstream"

func main() {
	if len(os.Args) != 3 {
		fail(fmt.Errorf("usage: gopeer LIBRARY server|client|version, LIBRARY being one of %v",
			slices.Sorted(maps.Keys(libraries))))
	}
	lib, ok := libraries[os.Args[1]]
	if !ok {
		fail(fmt.Errorf("there is no library %q", os.Args[1]))
	}
	switch os.Args[2] {
	case "version":
		_, _ = fmt.Fprintln(os.Stdout, version(lib.module))
	case "server":
		serve(lib)
	case "client":
		dial(lib)
	default:
		fail(fmt.Errorf("there is no role %q", os.Args[2]))
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, m := range info.Deps {
		if m.Path == module {
			return m.Version
		}
	}
	return "unknown"
}

func serve(lib library) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fail(err)
	}
	say(event{URL: "ws://" + l.Addr().String() + "/"})
	fail(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := lib.serve(w, r)
		switch err {
		case nil:
			obey(c)
		case errServed:
		default:
			fmt.Fprintln(os.Stderr, err)
		}
	})))
}

func dial(lib library) {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		c, err := lib.dial(lines.Text())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			continue
		}
		go obey(c)
	}
}
