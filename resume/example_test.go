package resume_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/resume"
	"github.com/wsstream/wsstream/stream"
)

// An echo goes on, although its connection is lost in between.
func Example() {
	echo := resume.NewServer(func(s *resume.Session, r *http.Request) error {
		return stream.Pipe(r.Context(), s.Writable(), s.Readable(), nil)
	}, nil)
	server := httptest.NewServer(echo)
	defer server.Close()

	ctx := context.Background()
	s := resume.Dial(ctx, "ws"+strings.TrimPrefix(server.URL, "http"), &resume.DialOptions{
		Hooks: resume.Hooks{Resumed: func(*resume.Session) { fmt.Println("resumed") }},
	})
	defer s.CloseNow()
	for _, word := range []string{"one", "two"} {
		if err := s.Writable().Write(ctx, wsstream.Text(word)); err != nil {
			log.Fatal(err)
		}
		msg, err := s.Readable().Pull(ctx)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", msg.Data)
		if word == "one" {
			s.Conn().CloseNow() // the network fails
		}
	}
	fmt.Println(s.Shutdown(ctx, wsstream.CloseInfo{Code: 1000}))
	// Output:
	// one
	// resumed
	// two
	// <nil>
}
