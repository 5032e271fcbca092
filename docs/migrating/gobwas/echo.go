// Package gobwas has the programs as users write them with gobwas/ws and its wsutil.
package gobwas

import (
	"net/http"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
)

// Echo sends back what comes, until the client closes.
func Echo(w http.ResponseWriter, r *http.Request) {
	conn, _, _, err := ws.UpgradeHTTP(r, w) // checks no origin
	if err != nil {
		return
	}
	defer conn.Close()
	for {
		data, op, err := wsutil.ReadClientData(conn) // answers pings and the Close; has no limit
		if err != nil {
			return
		}
		if err := wsutil.WriteServerMessage(conn, op, data); err != nil {
			return
		}
	}
}
