// Package coder has the programs as users write them with coder/websocket.
package coder

import (
	"net/http"

	"github.com/coder/websocket"
)

// Echo sends back what comes, until the client closes.
func Echo(w http.ResponseWriter, r *http.Request) {
	conn, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer conn.CloseNow()
	for {
		typ, data, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		if err := conn.Write(r.Context(), typ, data); err != nil {
			return
		}
	}
}
