// Package gws has the programs as users write them with lxzan/gws.
package gws

import (
	"net/http"

	"github.com/lxzan/gws"
)

type echo struct{ gws.BuiltinEventHandler }

func (echo) OnMessage(conn *gws.Conn, msg *gws.Message) {
	defer msg.Close()
	_ = conn.WriteMessage(msg.Opcode, msg.Bytes())
}

var echoes = gws.NewUpgrader(echo{}, nil)

// Echo sends back what comes, until the client closes.
func Echo(w http.ResponseWriter, r *http.Request) {
	conn, err := echoes.Upgrade(w, r)
	if err != nil {
		return
	}
	conn.ReadLoop()
}
