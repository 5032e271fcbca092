// Package mqtt opens MQTT connections over WebSocket, for clients that take a net.Conn. Copy it.
//
//	options := mqtt.NewClientOptions() // github.com/eclipse/paho.mqtt.golang
//	options.AddBroker("ws://127.0.0.1:8080/mqtt")
//	options.SetCustomOpenConnectionFn(func(u *url.URL, o mqtt.ClientOptions) (net.Conn, error) {
//		ctx, cancel := context.WithTimeout(context.Background(), o.ConnectTimeout)
//		defer cancel()
//		return wsmqtt.Open(ctx, u.String(), nil)
//	})
package mqtt

import (
	"context"
	"net"

	"github.com/wsstream/wsstream"
)

// Open connects to a broker. ctx governs the connecting alone. o may be nil. While the client reads
// nothing, the broker waits.
//
// MQTT 5.0, section 6.
func Open(ctx context.Context, url string, o *wsstream.DialOptions) (net.Conn, error) {
	var options wsstream.DialOptions
	if o != nil {
		options = *o
	}
	options.Subprotocols = []string{"mqtt"}
	conn := wsstream.Dial(ctx, url, &options)
	if _, err := conn.Opened().Wait(ctx); err != nil {
		return nil, err
	}
	return wsstream.NetConn(conn, wsstream.TypeBinary), nil
}
