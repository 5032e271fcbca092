// Package ours has the programs as one writes them with wsstream.
package ours

import (
	"net/http"

	"github.com/wsstream/wsstream"
)

// Echo sends back what comes, until the client closes.
func Echo(w http.ResponseWriter, r *http.Request) {
	conn, err := wsstream.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered the request
	}
	defer conn.CloseNow()
	for msg, err := range conn.Readable().All(r.Context()) {
		if err != nil {
			return
		}
		if err := conn.Writable().Write(r.Context(), msg); err != nil {
			return
		}
	}
}
