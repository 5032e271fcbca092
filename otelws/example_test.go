package otelws_test

import (
	"log"
	"net/http"

	"go.opentelemetry.io/otel/attribute"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/otelws"
)

// A server with two kinds of connections, told apart by an attribute.
func ExampleRegister() {
	for _, path := range []string{"/feed", "/chat"} {
		meter := new(wsstream.Meter)
		if _, err := otelws.Register(meter, nil, attribute.String("url.path", path)); err != nil {
			log.Fatal(err)
		}
		http.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			conn, err := wsstream.Accept(w, r, &wsstream.AcceptOptions{Meter: meter})
			if err != nil {
				return
			}
			defer conn.CloseNow()
			for msg, err := range conn.Readable().All(r.Context()) {
				if err != nil || conn.Writable().Write(r.Context(), msg) != nil {
					return
				}
			}
		})
	}
}
