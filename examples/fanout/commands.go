package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"strings"

	"golang.org/x/time/rate"

	"github.com/wsstream/wsstream/examples/internal/console"
)

// addClient adds the flags that all clients have.
func (d *dialer) addClient(flags *flag.FlagSet, also *list) {
	flags.StringVar(&d.token, "token", "", "the `token` for the gateway")
	flags.Var(also, "or", "the `URL` of another gateway, again for each; the client goes there after a cut")
}

// gateways sets the gateways.
func (d *dialer) gateways(urls []string) error {
	for _, u := range urls {
		if p, err := url.Parse(u); err != nil || p.Scheme != "ws" && p.Scheme != "wss" || p.Host == "" {
			return fail(statusUsage, "%q is no ws:// or wss:// URL", u)
		}
	}
	d.urls = urls
	return nil
}

// notice makes a client say on stderr why it connects again.
func (d *dialer) notice(stderr io.Writer) {
	d.onCut = func(err error) {
		why := console.Printable(stderr, strings.Join(strings.Fields(err.Error()), " "))
		printf(stderr, "fanout: cut: %s; connecting again\n", why)
	}
}

const listenAbout = `Usage: fanout listen [flags] URL TOPIC

Prints the messages of a topic: the number, the key and the payload, one message a line. After a cut
it goes on behind the last message that it printed.

`

// listenTo is the command listen.
func listenTo(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	l := &listener{}
	flags := flag.NewFlagSet("fanout listen", flag.ContinueOnError)
	var also list
	l.addClient(flags, &also)
	after := flags.Int64("after", -1,
		"begin behind the message of this `number`; 0 for all that the topic keeps, -1 for new ones only")
	flags.StringVar(&l.name, "name", "",
		"acknowledge under this `name`, and begin behind what was acknowledged")
	flags.StringVar(&l.keys, "keys", "", "only the keys of this `pattern`, for example eu.>")
	count := flags.Int("n", 0, "end after this `number` of messages; 0 for never")
	speed := flags.Float64("rate", 0, "take at most this `number` of messages a second; 0 for no limit")
	if err := parseFlags(flags, args, stdout, listenAbout, "URL", "TOPIC"); err != nil {
		return err
	}
	if err := l.gateways(append([]string{flags.Arg(0)}, also...)); err != nil {
		return err
	}
	l.topic = flags.Arg(1)
	switch {
	case !isName(l.topic):
		return fail(statusUsage, "%q is no name of a topic", l.topic)
	case l.name != "" && !isName(l.name):
		return fail(statusUsage, "-name %q: a name has letters, digits, _ and -", l.name)
	case l.keys != "" && !isKeys(l.keys):
		return fail(statusUsage, "-keys %q: not a pattern of keys", l.keys)
	case *count < 0 || *speed < 0 || *after < -1:
		return fail(statusUsage, "-n, -rate and -after must not be negative, but for -after -1")
	}
	if *after >= 0 {
		l.after = new(uint64(*after))
	}
	l.notice(stderr)
	limit := rate.NewLimiter(rate.Inf, 1)
	if *speed > 0 {
		limit.SetLimit(rate.Limit(*speed))
	}
	got := 0
	return l.run(ctx, func(m *Message) error {
		if limit.Wait(ctx) != nil {
			return ctx.Err()
		}
		data, err := payload(m.Data, m.Data64)
		if err != nil {
			return err
		}
		line := console.Printable(stdout, fmt.Sprintf("%d %s %s", m.Seq, m.Key, data))
		if _, err := fmt.Fprintln(stdout, line); err != nil {
			return &failure{1, err}
		}
		if got++; got == *count {
			return errDone
		}
		return nil
	})
}

const publishAbout = `Usage: fanout publish [flags] URL TOPIC

Publishes each line of standard input, and ends when the broker has stored all of them. After a cut
it repeats what was not acknowledged. The broker stores each line once.

`

// longestLine is the most bytes of a line that publish takes.
const longestLine = longestData

// publishFrom is the command publish.
func publishFrom(
	ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer,
) error {
	p := &publisher{}
	flags := flag.NewFlagSet("fanout publish", flag.ContinueOnError)
	var also list
	p.addClient(flags, &also)
	key := flags.String("key", "line", "the `key` of the messages")
	if err := parseFlags(flags, args, stdout, publishAbout, "URL", "TOPIC"); err != nil {
		return err
	}
	if err := p.gateways(append([]string{flags.Arg(0)}, also...)); err != nil {
		return err
	}
	topic := flags.Arg(1)
	switch {
	case !isName(topic):
		return fail(statusUsage, "%q is no name of a topic", topic)
	case !isKey(*key):
		return fail(statusUsage, "-key %q: a key has tokens of letters, digits, _ and -", *key)
	}
	p.notice(stderr)
	var last uint64
	p.published = func(m *Published) { last = m.Seq }
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	lines, read := make(chan Publish), make(chan error, 1)
	go func() { // ends with standard input, or with ctx and the line that it waits for
		defer close(lines)
		read <- publishLines(ctx, stdin, topic, *key, lines)
	}()
	if err := p.run(ctx, lines); err != nil || ctx.Err() != nil {
		return err
	}
	if err := <-read; err != nil {
		return err
	}
	printf(stdout, "published; the last message is number %d\n", last)
	return nil
}

// publishLines makes a message of each line.
func publishLines(ctx context.Context, in io.Reader, topic, key string, out chan<- Publish) error {
	run := rand.Text() // so that no other program has these ids
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, longestLine+len("\n"))
	n := 1
	for ; lines.Scan(); n++ {
		data, data64 := encodePayload(lines.Bytes())
		m := Publish{Type: typePublish, Topic: topic, Key: key, Data: data, Data64: data64,
			ID: fmt.Sprintf("%s/%d", run, n)}
		select {
		case out <- m:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		return fmt.Errorf("line %d is longer than %d bytes; the lines before it are published",
			n, longestLine)
	}
	return lines.Err()
}
