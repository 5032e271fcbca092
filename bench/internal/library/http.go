package library

import (
	"net"
	"net/http"
)

// serveHTTP serves upgrades with net/http. The function that upgrade returns runs in a goroutine of
// its own. So the memory of the HTTP request is free while the connection lives. A nil function is
// not run.
func serveHTTP(l net.Listener, upgrade func(w http.ResponseWriter, r *http.Request) func()) error {
	s := http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if run := upgrade(w, r); run != nil {
			go run() // ends with its connection
		}
	})}
	return s.Serve(l)
}

// serveConns runs each connection of l in a goroutine, which ends with it.
func serveConns(l net.Listener, run func(nc net.Conn)) error {
	for {
		nc, err := l.Accept()
		if err != nil {
			return err
		}
		go run(nc)
	}
}
