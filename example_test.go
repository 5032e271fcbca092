package wsstream_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

func echo(w http.ResponseWriter, r *http.Request) {
	conn, err := wsstream.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered the request
	}
	defer conn.CloseNow() // the last resort of every handler
	for msg, err := range conn.Readable().All(r.Context()) {
		if err != nil {
			return // an end that was not clean; after a clean one the loop is over
		}
		if err := conn.Writable().Write(r.Context(), msg); err != nil {
			return
		}
	}
}

func shout(ctx context.Context, url string, words ...string) error {
	conn := wsstream.Dial(ctx, url, nil) // returns at once: the first Write waits for the handshake
	defer conn.CloseNow()
	for _, word := range words {
		if err := conn.Writable().Write(ctx, wsstream.Text(word)); err != nil {
			return err
		}
		msg, err := conn.Readable().Pull(ctx)
		if err != nil {
			return err
		}
		fmt.Printf("%s\n", msg.Data)
	}
	return conn.Shutdown(ctx, wsstream.CloseInfo{Code: 1000})
}

func Example() {
	srv := httptest.NewServer(http.HandlerFunc(echo))
	defer srv.Close()
	if err := shout(context.Background(), srv.URL, "one", "two", "three"); err != nil {
		fmt.Println(err)
	}
	// Output:
	// one
	// two
	// three
}

func TestTheCodeInREADMEIsTheCodeThatIsTested(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	var tested []byte
	for _, name := range []string{"example_test.go", "example_stream_test.go", "example_server_test.go"} {
		file, err := os.ReadFile(name)
		require.NoError(t, err)
		tested = append(tested, file...)
	}
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(readme, -1)
	require.NotEmpty(t, blocks)
	for _, block := range blocks {
		for part := range strings.SplitSeq(strings.TrimSpace(string(block[1])), "\n\n") {
			require.Contains(t, string(tested), part)
		}
	}
}
