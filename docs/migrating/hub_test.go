package migrating

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/docs/migrating/ours"
	"github.com/wsstream/wsstream/wstest"
)

const (
	talks       = 1000     // messages of a KiB: more than all windows, queues and buffers take
	smallBuffer = 32 << 10 // of the kernel, which doubles it; with less, TCP waits for its timers
)

// message is the i-th that is said in a hub.
func message(i int) string { return fmt.Sprintf("%04d%s", i, strings.Repeat(".", 1020)) }

// enter says hello and waits for its own word.
func enter(t *testing.T, conn *wsstream.Conn) {
	require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Text("hello")))
	hear(t, conn, "hello")
}

// talk says all there is, one word after the other, so that the talker is never behind.
func talk(t *testing.T, conn *wsstream.Conn) {
	for i := range talks {
		require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Text(message(i))))
		hear(t, conn, message(i))
	}
}

// listen counts what comes, in order, and returns the end.
func listen(ctx context.Context, conn *wsstream.Conn) (heard int, end error) {
	for heard < talks {
		msg, err := conn.Readable().Pull(ctx)
		switch {
		case err != nil:
			return heard, err
		case strings.HasSuffix(string(msg.Data), "hello"):
		case string(msg.Data) != message(heard):
			return heard, fmt.Errorf("%.20q came, not %.20q", msg.Data, message(heard))
		default:
			heard++
		}
	}
	return heard, nil
}

// serveTight serves h with small kernel buffers.
func serveTight(t *testing.T, h http.Handler) (url string) {
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ConnContext = func(ctx context.Context, nc net.Conn) context.Context {
		_ = nc.(*net.TCPConn).SetWriteBuffer(smallBuffer)
		return ctx
	}
	srv.Start()
	t.Cleanup(srv.Close)
	return "ws" + strings.TrimPrefix(srv.URL, "http")
}

// tight dials with a small window and small kernel buffers.
func tight(t *testing.T, url string) *wsstream.Conn {
	conn := wsstream.Dial(t.Context(), url, &wsstream.DialOptions{
		ReadWindow: 4096,
		NetDial: func(ctx context.Context, network, address string) (net.Conn, error) {
			nc, err := new(net.Dialer).DialContext(ctx, network, address)
			if err == nil {
				_ = nc.(*net.TCPConn).SetReadBuffer(smallBuffer)
			}
			return nc, err
		},
	})
	t.Cleanup(conn.CloseNow)
	return conn
}

func guest(t *testing.T, url string) *wsstream.Conn {
	conn := wsstream.Dial(t.Context(), url, nil)
	t.Cleanup(conn.CloseNow)
	return conn
}

// What the page says of each hub and a slow client: ours tells it, gws' lets its queue grow, the
// others cut it.
func TestWhatASlowClientDoesToEachHub(t *testing.T) {
	for _, server := range libraries {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			url := serveTight(t, server.hub())
			slow, talker := tight(t, url), guest(t, url)
			enter(t, slow)
			enter(t, talker)
			talk(t, talker) // while the slow client pulls nothing
			heard, err := listen(t.Context(), slow)
			switch server.name {
			case "ours":
				require.Less(t, heard, talks)
				told, ok := err.(*wsstream.Error)
				require.True(t, ok, err)
				require.Equal(t, wsstream.CloseInfo{Code: 1008, Reason: "too slow"}, told.CloseInfo)
				info, err := slow.Closed().Wait(t.Context())
				require.NoError(t, err)
				require.Equal(t, told.CloseInfo, info)
			case "gws":
				require.NoError(t, err)
				require.Equal(t, talks, heard)
			default:
				require.Less(t, heard, talks, "it was cut: %v", err)
			}
		})
	}
}

func TestOurHubCutsNoClientThatReadsInABurst(t *testing.T) {
	t.Parallel()
	url := serve(t, ours.NewHub())
	results := make(chan string)
	talker := guest(t, url)
	for range 20 {
		conn := guest(t, url)
		enter(t, conn)
		go func() {
			heard, err := listen(t.Context(), conn)
			results <- fmt.Sprint(heard, err)
		}()
	}
	go func() {
		heard, err := listen(t.Context(), talker)
		results <- fmt.Sprint(heard, err)
	}()
	for i := range talks { // as fast as it goes
		require.NoError(t, talker.Writable().Write(t.Context(), wsstream.Text(message(i))))
	}
	for range 21 {
		require.Equal(t, fmt.Sprint(talks, nil), <-results)
	}
}

// In memory, the times are exact.
func inOurHub(t *testing.T, f func(t *testing.T, dial func(window int) *wsstream.Conn)) {
	synctest.Test(t, func(t *testing.T) {
		srv := wstest.NewServer(t, ours.NewHub())
		f(t, func(window int) *wsstream.Conn {
			return srv.Dial("/", &wsstream.DialOptions{ReadWindow: window})
		})
	})
}

func TestASlowClientOfOurHubHasFiveSecondsAndCostsTheOthersThemOnce(t *testing.T) {
	inOurHub(t, func(t *testing.T, dial func(int) *wsstream.Conn) {
		slow, talker := dial(4096), dial(0)
		enter(t, slow)
		enter(t, talker)
		begun := time.Now()
		talk(t, talker)
		require.InDelta(t, 5*time.Second, time.Since(begun), float64(100*time.Millisecond))
		<-time.After(20 * time.Second) // the slow one comes back before WriteStallTimeout
		_, err := listen(t.Context(), slow)
		require.Equal(t, 1008, wsstream.CloseCode(err), err)
		require.ErrorContains(t, err, "too slow")
	})
}

func TestAClientOfOurHubThatNeverReadsIsCutByWriteStallTimeout(t *testing.T) {
	inOurHub(t, func(t *testing.T, dial func(int) *wsstream.Conn) {
		slow, talker := dial(4096), dial(0)
		enter(t, slow)
		enter(t, talker)
		talk(t, talker)
		<-time.After(30*time.Second + wsstream.DefaultCloseTimeout)
		_, err := listen(t.Context(), slow)
		require.Equal(t, 1006, wsstream.CloseCode(err), err)
	})
}

// A bubble ends only when all goroutines of the hub have.
func TestTheJoinOfOurHubEndsWithEitherSide(t *testing.T) {
	for name, leave := range map[string]func(t *testing.T, conn *wsstream.Conn){
		"in order": func(t *testing.T, conn *wsstream.Conn) {
			require.NoError(t, conn.Shutdown(t.Context(), wsstream.CloseInfo{Code: 1000}))
		},
		"for a reason": func(t *testing.T, conn *wsstream.Conn) {
			require.NoError(t, conn.Close(wsstream.CloseInfo{Code: 1001}))
			_, err := conn.Readable().Pull(t.Context())
			for err == nil {
				_, err = conn.Readable().Pull(t.Context())
			}
			require.Equal(t, io.EOF, err)
		},
		"abruptly": func(_ *testing.T, conn *wsstream.Conn) { conn.CloseNow() },
	} {
		t.Run(name, func(t *testing.T) {
			inOurHub(t, func(t *testing.T, dial func(int) *wsstream.Conn) {
				leaver, stays := dial(0), dial(0)
				enter(t, leaver)
				enter(t, stays)
				leave(t, leaver)
				synctest.Wait()
				talk(t, stays)
			})
		})
	}
}
