// Package ours has the programs as users write them with wsstream.
package ours

import (
	"net/http"

	"github.com/wsstream/wsstream"
)

// Echo sends back what comes, until the client closes.
var Echo = wsstream.Handler(func(conn *wsstream.Conn, r *http.Request) error {
	for msg, err := range conn.Readable().All(r.Context()) {
		if err != nil {
			return err
		}
		if err := conn.Writable().Write(r.Context(), msg); err != nil {
			return err
		}
	}
	return nil // closes with 1000; an error closes with a code that says so
}, nil)
