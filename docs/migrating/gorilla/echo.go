// Package gorilla has the programs as users write them with gorilla/websocket.
package gorilla

import (
	"net/http"

	"github.com/gorilla/websocket"
)

var upgrader websocket.Upgrader

// Echo sends back what comes, until the client closes.
func Echo(w http.ResponseWriter, r *http.Request) {
	conn, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		typ, data, err := conn.ReadMessage()
		if err != nil {
			return
		}
		if err := conn.WriteMessage(typ, data); err != nil {
			return
		}
	}
}
