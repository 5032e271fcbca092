package wsstream_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
)

var echo = wsstream.Handler(func(conn *wsstream.Conn, r *http.Request) error {
	for msg, err := range conn.Readable().All(r.Context()) {
		if err != nil {
			return err // the client did not say that it was done; the loop is over when it did
		}
		if err := conn.Writable().Write(r.Context(), msg); err != nil {
			return err
		}
	}
	return nil // closes with 1000, behind all that was written
}, nil)

func shout(ctx context.Context, url string, words ...string) error {
	conn := wsstream.Dial(ctx, url, nil) // returns immediately: the first Write waits for the handshake
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
	srv := httptest.NewServer(echo)
	defer srv.Close()
	if err := shout(context.Background(), srv.URL, "one", "two", "three"); err != nil {
		fmt.Println(err)
	}
	// Output:
	// one
	// two
	// three
}

func TestTheCodeOnThePagesIsTheCodeThatIsTested(t *testing.T) {
	var tested []byte
	for _, name := range []string{"example_test.go", "example_stream_test.go", "example_server_test.go", "example_netconn_test.go"} {
		file, err := os.ReadFile(name)
		require.NoError(t, err)
		tested = append(tested, file...)
	}
	for _, name := range []string{"README.md", "docs/proxies.md", "docs/windows.md"} {
		page, err := os.ReadFile(name)
		require.NoError(t, err)
		blocks := regexp.MustCompile("(?s)```go\n(.*?)```").FindAllSubmatch(page, -1)
		require.NotEmpty(t, blocks, name)
		for _, block := range blocks {
			for part := range strings.SplitSeq(strings.TrimSpace(string(block[1])), "\n\n") {
				require.Contains(t, string(tested), part, name)
			}
		}
	}
}

func TestEveryBoundHasARowInREADMEAndInThePackageDocumentation(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	require.NoError(t, err)
	doc, err := os.ReadFile("doc.go")
	require.NoError(t, err)
	for _, options := range []any{wsstream.DialOptions{}, wsstream.AcceptOptions{}} {
		for _, f := range reflect.VisibleFields(reflect.TypeOf(options)) {
			if f.Type != reflect.TypeFor[int]() && f.Type != reflect.TypeFor[time.Duration]() {
				continue
			}
			require.Regexp(t, `(?m)^\|.* \| `+"`"+f.Name+"`"+` \| `, string(readme))
			require.Regexp(t, `(?m)^//\t`+f.Name+` +(none|\d+ (KiB|MiB|s)) `, string(doc))
		}
	}
}
