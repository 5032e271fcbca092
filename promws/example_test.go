package promws_test

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/promws"
)

// A server with two kinds of connections, told apart by a label.
func ExampleNewCollector() {
	for _, path := range []string{"/feed", "/chat"} {
		meter := new(wsstream.Meter)
		prometheus.WrapRegistererWith(prometheus.Labels{"path": path}, prometheus.DefaultRegisterer).
			MustRegister(promws.NewCollector(meter))
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
	http.Handle("/metrics", promhttp.Handler())
}
