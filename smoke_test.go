package wsstream

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestSmoke(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		for m, err := range conn.Readable().All(context.Background()) {
			if err != nil {
				t.Error(err)
				return
			}
			if err := conn.Writable().Write(context.Background(), m); err != nil {
				t.Error(err)
				return
			}
		}
	}))
	defer srv.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c := Dial(ctx, srv.URL, nil)
	_, err := c.Opened().Wait(ctx)
	require.NoError(t, err)
	for i := range 1000 {
		m := Text(strings.Repeat("x", i*100))
		require.NoError(t, c.Writable().Write(ctx, m))
		got, err := c.Readable().Pull(ctx)
		require.NoError(t, err)
		require.Equal(t, len(m.Data), len(got.Data))
		require.Equal(t, m.Type, got.Type)
	}
	require.NoError(t, c.Close(CloseInfo{Code: 3000, Reason: "bye"}))
	_, err = c.Readable().Pull(ctx)
	require.Equal(t, io.EOF, err)
	info, err := c.Closed().Wait(ctx)
	require.NoError(t, err)
	require.Equal(t, 3000, info.Code)
}

func BenchmarkPing(b *testing.B) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _ := Accept(w, r, nil)
		defer conn.CloseNow()
		var m Message
		for conn.Readable().PullInto(context.Background(), &m) == nil {
			if conn.Writable().Write(context.Background(), m) != nil {
				return
			}
		}
	}))
	defer srv.Close()
	ctx, cancel := context.WithTimeout(b.Context(), 20*time.Second)
	defer cancel()
	c := Dial(ctx, srv.URL, nil)
	b.ReportAllocs()
	m, out := Binary(make([]byte, 64)), Message{}
	for b.Loop() {
		if err := c.Writable().Write(ctx, m); err != nil {
			b.Fatal(err)
		}
		if err := c.Readable().PullInto(ctx, &out); err != nil {
			b.Fatal(err)
		}
	}
	c.CloseNow()
}
