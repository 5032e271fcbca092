package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// wantStatus runs the program, and expects an exit status and one line that says why.
func wantStatus(t *testing.T, status int, says string, args ...string) {
	t.Helper()
	var out, errs bytes.Buffer
	ctx, stop := context.WithTimeout(t.Context(), patience)
	defer stop()
	require.Equal(t, status, run(ctx, args, strings.NewReader("hello\n"), &out, &errs),
		"%s%s", out.String(), errs.String())
	require.Contains(t, errs.String(), says)
	require.Equal(t, 1, strings.Count(errs.String(), "\n"), errs.String())
}

func TestWrongArgumentsAreOneLineAndStatus2(t *testing.T) {
	for args, says := range map[string]string{
		"shout":                               "no command",
		"-what":                               "-what",
		"more arguments":                      "no command",
		"-rate 0":                             "-rate",
		"-for 1s 7":                           "unexpected argument",
		"serve -topic a.b":                    "a.b",
		"serve -topic a:some":                 "all or latest",
		"serve -topic a -topic a:latest":      "twice",
		"serve -replicas 0":                   "-replicas",
		"serve -replicas 3":                   "-replicas 3 needs a cluster: see -nats",
		"serve -keep much":                    "-keep much",
		"serve -window 1B":                    "-window",
		"serve -ring 0":                       "-ring",
		"serve -fetches 0":                    "-fetches",
		"serve -drain-wait -1s":               "negative",
		"serve -nats nats://a -store b":       "-store",
		"serve -auth no/such/file":            "no/such/file",
		"listen":                              "URL is missing",
		"listen ws://127.0.0.1:1/ws":          "TOPIC is missing",
		"listen http://127.0.0.1:1/ws a":      "no ws://",
		"listen ws://127.0.0.1:1/ws a.b":      "no name of a topic",
		"listen -n -1 ws://127.0.0.1:1/ws a":  "-n",
		"listen -keys >.a ws://127.0.0.1:1 a": "-keys",
		"listen -name , ws://127.0.0.1:1 a":   "-name",
		"publish -key * ws://127.0.0.1:1 a":   "-key",
		"publish ws://127.0.0.1:1/ws a.b":     "no name of a topic",
	} {
		t.Run(args, func(t *testing.T) { wantStatus(t, statusUsage, says, strings.Fields(args)...) })
	}
}

func TestWhatIsMissingIsOneLineAndAStatus(t *testing.T) {
	f := newFixture(t)
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = l.Close() }()
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	free := []string{"serve", "-listen", "127.0.0.1:0", "-admin", "127.0.0.1:0"}
	with := func(flags ...string) []string { return append(slices.Clip(free), flags...) }

	wantStatus(t, statusNoServer, "no broker at", with("-nats", "nats://127.0.0.1:1")...)
	wantStatus(t, statusAddress, l.Addr().String(), with("-listen", l.Addr().String())...)
	wantStatus(t, statusAddress, l.Addr().String(), with("-admin", l.Addr().String())...)
	wantStatus(t, statusStore, "cannot be written", with("-store", filepath.Join(file, "dir"))...)

	f.publishTo("orders", 100)
	wantStatus(t, 1, "has not the policy latest", with("-nats", f.url, "-topic", "orders:latest")...)
}

func TestWhatAGatewayRefusesIsOneLineAndAStatus(t *testing.T) {
	f := newFixture(t)
	g, url, _ := f.gateway("-topic", "orders", "-ring", "16", "-auth", tokenFile(t, tokens))
	f.publish("orders", 1, 100)
	f.knows(g, "orders", 100)
	s, err := f.js.Stream(t.Context(), streamOf("orders"))
	require.NoError(t, err)
	require.NoError(t, s.Purge(t.Context(), jetstream.WithPurgeSequence(50)))

	wantStatus(t, statusNoServer, "no gateway at", "listen", "ws://127.0.0.1:1/ws", "orders")
	wantStatus(t, statusNoServer, "(is the path /ws?)",
		"listen", strings.TrimSuffix(url, "ws"), "orders")
	wantStatus(t, statusToken, "refused the token", "listen", "-token", "x", url, "orders")
	wantStatus(t, statusTopic, "no topic", "listen", "-token", "t-all", url, "nothing")
	wantStatus(t, statusTopic, "no topic", "publish", "-token", "t-all", url, "nothing")
	wantStatus(t, statusNotAllowed, "not allow", "listen", "-token", "t-eu", url, "orders")
	wantStatus(t, statusNotAllowed, "not allow", "publish", "-token", "t-eu", url, "orders")
	wantStatus(t, statusGone, "the topic keeps 50",
		"listen", "-token", "t-all", "-after", "9", url, "orders")
	wantStatus(t, statusGone, "its last one is 100",
		"listen", "-token", "t-all", "-after", "1000", url, "orders")
}

func TestHelpIsNoError(t *testing.T) {
	for _, command := range []string{"serve", "listen", "publish", ""} {
		args := strings.Fields(command + " --help")
		var out, errs bytes.Buffer
		require.Zero(t, run(t.Context(), args, nil, &out, &errs))
		require.Empty(t, errs.String())
		require.Contains(t, out.String(), "Usage: fanout "+command)
		require.Contains(t, out.String(), "Exit status:")
	}
}

func TestLinesGoFromOneClientToTheOther(t *testing.T) {
	f := newFixture(t)
	_, url, _ := f.gateway("-topic", "orders")
	var out, errs bytes.Buffer
	lines := strings.NewReader("one\ntwo\nthree\n")
	status := run(t.Context(), []string{"publish", "-key", "eu.de", url, "orders"}, lines, &out, &errs)
	require.Zero(t, status, errs.String())
	require.Equal(t, "published; the last message is number 3\n", out.String())
	out.Reset()
	args := []string{"listen", "-after", "1", "-n", "2", url, "orders"}
	status = run(t.Context(), args, nil, &out, &errs)
	require.Zero(t, status, errs.String())
	require.Equal(t, "2 eu.de two\n3 eu.de three\n", out.String())
}

func TestALineThatIsTooLongEndsPublish(t *testing.T) {
	f := newFixture(t)
	_, url, _ := f.gateway("-topic", "orders")
	for _, c := range []struct {
		bytes, status int
		says          string
	}{
		{longestLine, 0, ""},
		{longestLine + 1, 1, "fanout: line 2 is longer than 262144 bytes; " +
			"the lines before it are published\n"},
	} {
		var out, errs bytes.Buffer
		lines := strings.NewReader("one\n" + strings.Repeat("x", c.bytes) + "\n")
		args := []string{"publish", url, "orders"}
		require.Equal(t, c.status, run(t.Context(), args, lines, &out, &errs))
		require.Equal(t, c.says, errs.String())
	}
	s, err := f.js.Stream(t.Context(), streamOf("orders"))
	require.NoError(t, err)
	require.EqualValues(t, 3, s.CachedInfo().State.Msgs, "one, the longest line, and one")
}

func TestAClientThatIsCutGoesOnAtAnotherGateway(t *testing.T) {
	f := newFixture(t)
	_, one, end := f.gateway("-topic", "orders")
	_, two, _ := f.gateway("-topic", "orders")
	l := &listener{dialer: dialer{urls: []string{one, two}}, topic: "orders", after: new(uint64)}
	got := make(chan uint64)
	done := make(chan error, 1)
	go func() { // ends with message 20
		done <- l.run(t.Context(), func(m *Message) error {
			if got <- m.Seq; m.Seq == 20 {
				return errDone
			}
			return nil
		})
	}()
	f.publish("orders", 1, 20)
	for want := uint64(1); want <= 20; want++ {
		require.Equal(t, want, <-got)
		if want == 5 {
			go end()
		}
	}
	require.NoError(t, <-done)
}

func TestTheDemonstrationShowsThatOnlyTheSlowClientIsHeldBack(t *testing.T) {
	var out, errs bytes.Buffer
	args := strings.Fields("-listen 127.0.0.1:0 -clients 3 -rate 300 -slow 10 -for 3s")
	require.Zero(t, run(t.Context(), args, nil, &out, &errs), errs.String())
	require.Contains(t, out.String(), "fast clients")
	require.NotContains(t, out.String(), "slow client 0/s, 0 behind\n")
	require.Contains(t, out.String(), "; 3 of 3 fast clients have all, once and in order; ")
	require.NotContains(t, out.String(), "and is 0 behind\n")
}

func TestTheSlowClientOfTheDemonstrationTakesWhatSlowSays(t *testing.T) {
	taken := func(slow string) (n int) {
		var out, errs bytes.Buffer
		args := strings.Fields("-listen 127.0.0.1:0 -clients 1 -rate 800 -for 2s -slow " + slow)
		require.Zero(t, run(t.Context(), args, nil, &out, &errs), errs.String())
		require.Contains(t, out.String(), "1 of 1 fast client has all, once and in order; ")
		_, text, _ := strings.Cut(out.String(), "the slow client has ")
		_, err := fmt.Sscan(text, &n)
		require.NoError(t, err, out.String())
		return n
	}
	require.Greater(t, taken("400"), 4*taken("20"))
}

func TestAClientThatMissesAMessageDoesNotHaveAll(t *testing.T) {
	for _, got := range [][]uint64{{8, 10}, {8, 8, 9}, {9, 8}, {8}} {
		c := &taker{before: 7}
		for _, seq := range got {
			c.take(&Message{Seq: seq})
		}
		require.False(t, c.has(9), "%v", got)
	}
	c := &taker{before: 7}
	c.take(&Message{Seq: 8})
	require.False(t, c.has(9))
	c.take(&Message{Seq: 9})
	require.True(t, c.has(9))
}

func TestAStoreKeepsTheMessagesForTheNextStart(t *testing.T) {
	dir := t.TempDir()
	for i := range 2 {
		ctx, stop := context.WithCancel(t.Context())
		o, err := parseServe([]string{"-listen", "127.0.0.1:0", "-admin", "127.0.0.1:0",
			"-topic", "orders", "-store", dir}, new(bytes.Buffer))
		require.NoError(t, err)
		err = withGateway(ctx, o, func(g *running) error {
			defer stop()
			var out, errs bytes.Buffer
			args := []string{"publish", fmt.Sprintf("ws://%s/ws", g.clients), "orders"}
			require.Zero(t, run(ctx, args, strings.NewReader("line\n"), &out, &errs), errs.String())
			require.Equal(t, fmt.Sprintf("published; the last message is number %d\n", i+1), out.String())
			return nil
		})
		require.NoError(t, err)
	}
}

func TestASecondGatewayOnAStoreIsRefused(t *testing.T) {
	dir := t.TempDir()
	args := []string{"serve", "-listen", "127.0.0.1:0", "-admin", "127.0.0.1:0", "-store", dir}
	o, err := parseServe(args[1:], new(bytes.Buffer))
	require.NoError(t, err)
	require.NoError(t, withGateway(t.Context(), o, func(*running) error {
		wantStatus(t, statusStore, "the store "+dir+" is in use by another gateway", args...)
		return nil
	}))
	require.NoError(t, withGateway(t.Context(), o, func(*running) error { return nil }),
		"after the first one has ended")
}

// publishTo makes the stream of a topic with the policy All, as a gateway does.
func (f *fixture) publishTo(topic string, last int) {
	f.Helper()
	c := topicConfig{name: topic, policy: All, replicas: 1, maxBytes: -1, maxAge: time.Hour}
	_, err := f.js.CreateStream(f.Context(), c.stream())
	require.NoError(f, err)
	f.publish(topic, 1, last)
}
