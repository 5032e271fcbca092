package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// positionsBucket is the key-value bucket of the acknowledged positions.
const positionsBucket = "FANOUT_POSITIONS"

// A broker is a connection to JetStream, and the server that the program embeds, if any.
type broker struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	server *server.Server // nil: a server elsewhere
	lock   *flock.Flock   // of the store of server; nil for none
	dir    string         // to be removed at the end; empty for none
}

// brokerOptions say where the broker is.
type brokerOptions struct {
	url   string // of a cluster; empty: an embedded server
	store string // directory of the embedded server; empty: one that is removed at the end
}

// openBroker connects to a broker, which it embeds if there is no URL.
func openBroker(ctx context.Context, o brokerOptions) (*broker, error) {
	b := &broker{}
	url, more := o.url, nats.Name("fanout")
	if url == "" {
		if err := b.embed(o.store); err != nil {
			b.close()
			return nil, err
		}
		more = nats.InProcessServer(b.server)
	}
	if err := b.connect(ctx, url, more); err != nil {
		b.close()
		return nil, err
	}
	return b, nil
}

// embed starts a server of the program's own. It listens on no port.
func (b *broker) embed(store string) error {
	if store == "" {
		dir, err := os.MkdirTemp("", "fanout-")
		if err != nil {
			return &failure{statusStore, err}
		}
		store, b.dir = dir, dir
	}
	if err := writable(store); err != nil {
		return fail(statusStore, "the store directory cannot be written: %w", err)
	}
	lock := flock.New(filepath.Join(store, "fanout.lock"))
	locked, err := lock.TryLock()
	switch {
	case err != nil:
		return fail(statusStore, "the store directory cannot be locked: %w", err)
	case !locked:
		return fail(statusStore, "the store %s is in use by another gateway", store)
	}
	b.lock = lock
	b.server, err = server.NewServer(&server.Options{
		ServerName: "fanout", DontListen: true, JetStream: true, StoreDir: store,
		NoSigs: true, NoLog: true,
	})
	if err != nil {
		return err
	}
	said := &fatalities{}
	b.server.SetLogger(said, false, false)
	b.server.Start()
	switch why := said.why(); {
	case why != "":
		return fail(statusStore, "the embedded broker does not start: %s", why)
	case !b.server.ReadyForConnections(10 * time.Second):
		return errors.New("the embedded broker does not start")
	}
	return nil
}

// fatalities is a log of the embedded server that keeps only why the server does not start.
type fatalities struct {
	mu   sync.Mutex
	last string // guarded by mu
}

func (l *fatalities) Fatalf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.last = fmt.Sprintf(format, args...)
}

func (l *fatalities) why() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

func (*fatalities) Noticef(string, ...any) {}
func (*fatalities) Warnf(string, ...any)   {}
func (*fatalities) Errorf(string, ...any)  {}
func (*fatalities) Debugf(string, ...any)  {}
func (*fatalities) Tracef(string, ...any)  {}

// writable reports why a file cannot be made in dir, which it makes if there is none.
func writable(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".writable-")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// connect connects to the broker. A connection that is lost later is made again, without an end.
func (b *broker) connect(ctx context.Context, url string, more nats.Option) (err error) {
	b.nc, err = nats.Connect(url, more,
		nats.Timeout(5*time.Second),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(100*time.Millisecond),
		nats.PingInterval(5*time.Second),
		nats.MaxPingsOutstanding(2),
		// Each direct get makes a queue of this length, 64 Ki by default. To allocate that took
		// longer than the get.
		nats.SyncQueueLen(2*fetchAtMost),
	)
	if err != nil {
		return fail(statusNoServer, "no broker at %s: %w", url, err)
	}
	b.js, err = jetstream.New(b.nc,
		jetstream.WithPublishAsyncMaxPending(2*publishesAtMost),
		jetstream.WithPublishAsyncTimeout(publishTimeout))
	if err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(ctx, 10*time.Second)
	defer stop()
	if _, err = b.js.AccountInfo(ctx); err != nil {
		return fail(statusNoServer, "the broker at %s has no JetStream for us: %w", url, err)
	}
	return nil
}

// close ends the connection, and the embedded server.
func (b *broker) close() {
	if b.nc != nil {
		b.nc.Close()
	}
	if b.server != nil {
		b.server.Shutdown()
		b.server.WaitForShutdown()
	}
	if b.lock != nil {
		_ = b.lock.Close() // the file stays: another gateway may have opened it
	}
	if b.dir != "" {
		_ = os.RemoveAll(b.dir)
	}
}

// A topicConfig is one topic as the command line names it, and how a new stream is made for it.
type topicConfig struct {
	name     string
	policy   Policy
	replicas int
	maxBytes int64         // negative: no limit
	maxAge   time.Duration // 0: no limit
}

// stream returns the topic's stream. If there is none, it makes one.
func (b *broker) stream(ctx context.Context, c topicConfig) (jetstream.Stream, error) {
	s, err := b.js.Stream(ctx, streamOf(c.name))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		s, err = b.js.CreateStream(ctx, c.stream())
	}
	if err != nil {
		return nil, fmt.Errorf("the stream of topic %s: %w", c.name, err)
	}
	switch has := s.CachedInfo().Config; {
	case !has.AllowDirect:
		return nil, fmt.Errorf("the stream %s does not allow direct gets", has.Name)
	case (has.MaxMsgsPerSubject == 1) != (c.policy == Latest):
		return nil, fmt.Errorf("the stream %s has not the policy %s: it keeps %d messages of a subject",
			has.Name, c.policy, has.MaxMsgsPerSubject)
	}
	return s, nil
}

// stream returns the configuration of the topic's stream.
func (c topicConfig) stream() jetstream.StreamConfig {
	s := jetstream.StreamConfig{
		Name:        streamOf(c.name),
		Subjects:    []string{subjectOf(c.name, ">")},
		Storage:     jetstream.FileStorage,
		Replicas:    c.replicas,
		MaxBytes:    c.maxBytes,
		MaxAge:      c.maxAge,
		AllowDirect: true,
		Duplicates:  2 * time.Minute,
	}
	if c.maxAge > 0 {
		s.Duplicates = min(s.Duplicates, c.maxAge)
	}
	if c.policy == Latest {
		s.MaxMsgsPerSubject = 1
	}
	return s
}

// positions returns the bucket of the acknowledged positions.
func (b *broker) positions(ctx context.Context, replicas int) (jetstream.KeyValue, error) {
	kv, err := b.js.KeyValue(ctx, positionsBucket)
	if errors.Is(err, jetstream.ErrBucketNotFound) {
		kv, err = b.js.CreateKeyValue(ctx, jetstream.KeyValueConfig{
			Bucket: positionsBucket, Replicas: replicas,
		})
	}
	return kv, err
}
