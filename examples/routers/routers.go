// Package routers serves one WebSocket handler through net/http, chi, echo and gin, each with the
// middleware that people put in front: logging, recovery, request ids. All of these wrap the
// http.ResponseWriter and let it be hijacked, which is all that a wsstream.Handler asks of them.
package routers

import (
	"log/slog"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	chimiddleware "github.com/go-chi/chi/v5/middleware"
	"github.com/labstack/echo/v4"
	echomiddleware "github.com/labstack/echo/v4/middleware"

	"github.com/wsstream/wsstream"
)

// Echo returns a handler that sends back what it gets, with the request's path value "room" in
// front.
func Echo(acceptor *wsstream.Acceptor) http.Handler {
	return acceptor.Handler(func(conn *wsstream.Conn, r *http.Request) error {
		room := r.PathValue("room")
		for msg, err := range conn.Readable().All(r.Context()) {
			if err != nil {
				return err
			}
			if err := conn.Writable().Write(r.Context(),
				wsstream.Text(room+": "+string(msg.Data))); err != nil {
				return err
			}
		}
		return nil
	})
}

// Chi serves the handler with go-chi/chi, which sets the path values of net/http. chi reuses the
// values in a request's context when the handler has returned. A goroutine that lives longer must
// not ask chi.URLParam. Its middleware.Timeout ends the request's context, but not the context that
// a Handler gives to its function.
func Chi(acceptor *wsstream.Acceptor, log *slog.Logger) http.Handler {
	r := chi.NewRouter()
	r.Use(chimiddleware.RequestID, chimiddleware.RequestLogger(&chimiddleware.DefaultLogFormatter{
		Logger: slog.NewLogLogger(log.Handler(), slog.LevelInfo), NoColor: true,
	}), chimiddleware.Recoverer, chimiddleware.Compress(5))
	r.Use(chimiddleware.Timeout(100 * time.Millisecond))
	r.Get("/rooms/{room}", Echo(acceptor).ServeHTTP)
	return r
}

// LabstackEcho serves the handler with labstack/echo.
func LabstackEcho(acceptor *wsstream.Acceptor, log *slog.Logger) http.Handler {
	e := echo.New()
	e.Use(echomiddleware.RequestID(), echomiddleware.Recover(),
		echomiddleware.GzipWithConfig(echomiddleware.DefaultGzipConfig),
		echomiddleware.RequestLoggerWithConfig(echomiddleware.RequestLoggerConfig{
			LogStatus: true,
			LogValuesFunc: func(c echo.Context, v echomiddleware.RequestLoggerValues) error {
				log.InfoContext(c.Request().Context(), "request", "status", v.Status)
				return nil
			},
		}))
	rooms := Echo(acceptor)
	e.GET("/rooms/:room", func(c echo.Context) error {
		c.Request().SetPathValue("room", c.Param("room"))
		rooms.ServeHTTP(c.Response(), c.Request())
		return nil // an error would be answered, and the handler has done that
	})
	return e
}

// Gin serves the handler with gin-gonic/gin.
func Gin(acceptor *wsstream.Acceptor, log *slog.Logger) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.Use(gin.LoggerWithWriter(slog.NewLogLogger(log.Handler(), slog.LevelInfo).Writer()),
		gin.Recovery())
	rooms := Echo(acceptor)
	g.GET("/rooms/:room", func(c *gin.Context) {
		c.Request.SetPathValue("room", c.Param("room"))
		rooms.ServeHTTP(c.Writer, c.Request)
	})
	return g
}

// Plain serves the handler with http.ServeMux, behind a middleware of one's own.
func Plain(acceptor *wsstream.Acceptor, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /rooms/{room}", Echo(acceptor))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		mux.ServeHTTP(s, r)
		log.InfoContext(r.Context(), "request", "status", s.status)
	})
}

// A statusWriter remembers the status. http.ResponseController, and therefore the handler, finds
// the server's own ResponseWriter by Unwrap; without it a handshake is answered with 500.
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
