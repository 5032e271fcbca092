package migrating

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/docs/migrating/coder"
	"github.com/wsstream/wsstream/docs/migrating/gobwas"
	"github.com/wsstream/wsstream/docs/migrating/gorilla"
	"github.com/wsstream/wsstream/docs/migrating/gws"
	"github.com/wsstream/wsstream/docs/migrating/ours"
	"github.com/wsstream/wsstream/wstest"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("github.com/wsstream/wsstream/docs/migrating/gorilla.(*Hub).run"))
}

// A library is one package's programs.
type library struct {
	name      string
	echo      http.HandlerFunc
	shout     func(ctx context.Context, url string, words ...string) ([]string, error)
	hub       func() http.Handler
	wait      func(ctx context.Context, url string, patience time.Duration) (string, int, error)
	keptAlive func(interval, timeout time.Duration) http.HandlerFunc
	bye       http.HandlerFunc
	end       func(ctx context.Context, url string) (int, string, error)
}

var libraries = []library{
	{
		"ours",
		ours.Echo.ServeHTTP,
		ours.Shout,
		func() http.Handler { return ours.NewHub() },
		ours.Wait,
		ourKeptAlive,
		ours.Bye.ServeHTTP,
		ours.End,
	},
	{
		"gorilla",
		gorilla.Echo,
		gorilla.Shout,
		func() http.Handler { return gorilla.NewHub() },
		gorilla.Wait,
		gorilla.KeptAlive,
		gorilla.Bye,
		gorilla.End,
	},
	{
		"coder",
		coder.Echo,
		coder.Shout,
		func() http.Handler { return coder.NewHub() },
		coder.Wait,
		coder.KeptAlive,
		coder.Bye,
		coder.End,
	},
	{
		"gws",
		gws.Echo,
		gws.Shout,
		func() http.Handler { return gws.NewHub() },
		gws.Wait,
		gws.KeptAlive,
		gws.Bye,
		gws.End,
	},
	{
		"gobwas",
		gobwas.Echo,
		gobwas.Shout,
		func() http.Handler { return gobwas.NewHub() },
		gobwas.Wait,
		gobwas.KeptAlive,
		gobwas.Bye,
		gobwas.End,
	},
}

func ourKeptAlive(interval, timeout time.Duration) http.HandlerFunc {
	return ours.KeptAlive(interval, timeout).ServeHTTP
}

// serve serves h and returns its address.
func serve(t *testing.T, h http.Handler) string {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return "ws" + strings.TrimPrefix(srv.URL, "http")
}

func TestEveryClientTalksToEveryServer(t *testing.T) {
	words := []string{"one", "", strings.Repeat("three", 5_000)} // coder refuses more than 32 KiB
	for _, server := range libraries {
		for what, h := range map[string]http.Handler{"echo": server.echo, "hub": server.hub()} {
			url := serve(t, h)
			for _, client := range libraries {
				t.Run(client.name+" to "+server.name+"'s "+what, func(t *testing.T) {
					answers, err := client.shout(t.Context(), url, words...)
					require.NoError(t, err)
					require.Equal(t, words, answers)
				})
			}
		}
	}
}

func TestEveryHubGivesWhatOneSaysToAll(t *testing.T) {
	for _, server := range libraries {
		t.Run(server.name, func(t *testing.T) {
			url := serve(t, server.hub())
			var guests []*wsstream.Conn
			for _, name := range []string{"ada", "bob", "eve"} {
				conn := wsstream.Dial(t.Context(), url, nil)
				defer conn.CloseNow()
				guests = append(guests, conn)
				require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Text(name)))
				hear(t, conn, name) // is in
			}
			require.NoError(t, guests[0].Writable().Write(t.Context(), wsstream.Text("to all")))
			for _, conn := range guests {
				hear(t, conn, "to all")
			}
		})
	}
}

// hear pulls until a text comes.
func hear(t *testing.T, conn *wsstream.Conn, text string) {
	for msg, err := range conn.Readable().All(t.Context()) {
		require.NoError(t, err)
		if string(msg.Data) == text {
			return
		}
	}
	require.Fail(t, "the hub has closed")
}

func TestEveryClientSeesHowEveryServerCloses(t *testing.T) {
	for _, server := range libraries {
		url := serve(t, server.bye)
		for _, client := range libraries {
			t.Run(client.name+" from "+server.name, func(t *testing.T) {
				code, reason, err := client.end(t.Context(), url)
				require.NoError(t, err)
				require.Equal(t, 4001, code)
				require.Equal(t, "that was all", reason)
			})
		}
	}
}

func TestOnlyOursGoesOnAfterADeadlineInsideAFrame(t *testing.T) {
	const patience = 20 * time.Millisecond
	url := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		nc, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return
		}
		defer nc.Close()
		frame := ws.MustCompileFrame(ws.NewTextFrame([]byte("late")))
		nc.Write(frame[:1])
		<-time.After(5 * patience) // a line that stalls
		nc.Write(frame[1:])
		nc.Read(make([]byte, 100)) // until the client closes or hangs up
	}))
	for _, client := range libraries {
		t.Run(client.name, func(t *testing.T) {
			msg, tries, err := client.wait(t.Context(), url, patience)
			if client.name != "ours" {
				require.Error(t, err)
				return
			}
			require.Equal(t, "late", msg)
			require.Greater(t, tries, 1)
		})
	}
}

func TestOurClientIsKeptAliveByEveryServer(t *testing.T) {
	const interval, timeout = 50 * time.Millisecond, 2 * time.Second // of a loaded machine, too
	for _, server := range libraries {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			conn := wsstream.Dial(t.Context(), serve(t, server.keptAlive(interval, timeout)), nil)
			defer conn.CloseNow()
			_, err := conn.Opened().Wait(t.Context())
			require.NoError(t, err)
			idle, cancel := context.WithTimeout(t.Context(), 2*timeout)
			defer cancel()
			_, err = conn.Closed().Wait(idle)
			require.ErrorIs(t, err, context.DeadlineExceeded, "nobody pulls, and it is alive")
			require.NoError(t, conn.Writable().Write(t.Context(), wsstream.Text("still here")))
			hear(t, conn, "still here")
		})
	}
}

func TestOurServerKeepsAliveAClientThatAnswersAndCutsOneThatDoesNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := wstest.NewServer(t, ours.KeptAlive(time.Second, time.Second))
		alive := srv.Dial("/", nil)
		nc, err := srv.Listener.Dial(t.Context())
		require.NoError(t, err)
		dead := wstest.NewPeer(t, nc, wstest.AsClient)
		dead.DialHandshake("/")
		<-time.After(time.Minute)
		require.NoError(t, alive.Writable().Write(t.Context(), wsstream.Text("still here")))
		hear(t, alive, "still here")
		ping, err := dead.Next() // which it does not answer
		require.NoError(t, err)
		require.Equal(t, wstest.OpPing, ping.Op)
		dead.WantClose("it is told why", 1008)
	})
}
