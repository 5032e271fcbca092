// Package routers serves one WebSocket handler through chi, echo and gin, each with the middleware that people put in front:
// logging, recovery, request ids. All of these wrap the http.ResponseWriter and let it be hijacked, which is all that
// wsstream.Accept asks of them.
package routers

import (
	"log/slog"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/labstack/echo/v4"
	echomiddleware "github.com/labstack/echo/v4/middleware"

	"github.com/wsstream/wsstream"
)

// Echo returns a handler that sends back what it gets at the room that name finds in a request.
func Echo(acceptor *wsstream.Acceptor, name func(*http.Request) string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		room := name(r)
		conn, err := acceptor.Accept(w, r)
		if err != nil {
			return // and has been answered
		}
		defer conn.CloseNow()
		for msg, err := range conn.Readable().All(r.Context()) {
			if err != nil {
				return
			}
			if err := conn.Writable().Write(r.Context(), wsstream.Text(room+": "+string(msg.Data))); err != nil {
				return
			}
		}
	}
}

// Chi serves the handler with go-chi/chi. Behind its middleware.Timeout the request's context ends, and so would the
// handler's loop.
func Chi(acceptor *wsstream.Acceptor, log *slog.Logger) http.Handler {
	r := chi.NewRouter()
	r.Use(chimiddleware.RequestID, chimiddleware.RequestLogger(&chimiddleware.DefaultLogFormatter{
		Logger: slog.NewLogLogger(log.Handler(), slog.LevelInfo), NoColor: true,
	}), chimiddleware.Recoverer, chimiddleware.Compress(5))
	r.Get("/rooms/{room}", Echo(acceptor, func(r *http.Request) string { return chi.URLParam(r, "room") }))
	return r
}

// LabstackEcho serves the handler with labstack/echo.
func LabstackEcho(acceptor *wsstream.Acceptor, log *slog.Logger) http.Handler {
	e := echo.New()
	e.Use(echomiddleware.RequestID(), echomiddleware.Recover(), echomiddleware.GzipWithConfig(echomiddleware.DefaultGzipConfig),
		echomiddleware.RequestLoggerWithConfig(echomiddleware.RequestLoggerConfig{
			LogStatus: true,
			LogValuesFunc: func(c echo.Context, v echomiddleware.RequestLoggerValues) error {
				log.InfoContext(c.Request().Context(), "request", "status", v.Status)
				return nil
			},
		}))
	e.GET("/rooms/:room", func(c echo.Context) error {
		Echo(acceptor, func(*http.Request) string { return c.Param("room") })(c.Response(), c.Request())
		return nil // an error would be answered, and Accept has done that
	})
	return e
}

// Gin serves the handler with gin-gonic/gin.
func Gin(acceptor *wsstream.Acceptor, log *slog.Logger) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.Use(gin.LoggerWithWriter(slog.NewLogLogger(log.Handler(), slog.LevelInfo).Writer()), gin.Recovery())
	g.GET("/rooms/:room", func(c *gin.Context) {
		Echo(acceptor, func(*http.Request) string { return c.Param("room") })(c.Writer, c.Request)
	})
	return g
}

// Plain serves the handler with http.ServeMux, behind a middleware of one's own.
func Plain(acceptor *wsstream.Acceptor, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /rooms/{room}", Echo(acceptor, func(r *http.Request) string { return r.PathValue("room") }))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		mux.ServeHTTP(s, r)
		log.InfoContext(r.Context(), "request", "status", s.status)
	})
}

// A statusWriter remembers the status. Unwrap is what http.ResponseController, and therefore Accept, finds the server's
// own ResponseWriter by; without it a handshake is answered with 500.
type statusWriter struct {
	http.ResponseWriter
	status int
}

// WriteHeader remembers status.
func (s *statusWriter) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap returns what is wrapped.
func (s *statusWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }
