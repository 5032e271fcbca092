package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream/interop/battery"
	"github.com/wsstream/wsstream/interop/mqtt"
	"github.com/wsstream/wsstream/interop/trial"
)

// mqttRows are brokers of MQTT, with paho over our NetConn.
func mqttRows() []*trial.Row {
	return []*trial.Row{
		{
			Name: "mosquitto (MQTT)", Role: trial.Server,
			Needs:   []trial.Need{trial.Program("/usr/sbin/mosquitto", "mosquitto")},
			Version: packageVersion("mosquitto"),
			Pitfalls: []string{
				"It holds what a subscriber does not take, up to `max_queued_messages`, and drops the rest.",
			},
			Known: map[string]string{
				mqttLarge: "it stops in the middle of a large delivery, also to a client of gorilla/websocket.",
				mqttFlood: "after a pause it delivers a few messages in 10 s, also to a client of gorilla/websocket.",
			},
			Run: func(t *trial.T) { runMQTT(t, startMosquitto) },
		},
		{
			Name: "RabbitMQ's web-MQTT (cowboy)", Role: trial.Server,
			Needs:   []trial.Need{trial.Packages("rabbitmq-server")},
			Version: packageVersion("rabbitmq-server"),
			Run:     func(t *trial.T) { runMQTT(t, startRabbit) },
		},
	}
}

func writeFile(t *trial.T, name, content string) (path string) {
	path = filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(content), 0o644))
	return path
}

// startMosquitto returns the broker and its URL.
func startMosquitto(t *trial.T) (*trial.Process, string) {
	port := t.FreePort()
	config := writeFile(t, "mosquitto.conf", fmt.Sprintf(`
user root
allow_anonymous true
max_queued_messages 0
listener 0 %s
listener %d 127.0.0.1
protocol websockets
`, filepath.Join(t.TempDir(), "socket"), port)) // it does not start with WebSocket alone
	p := t.Start("", nil, "/usr/sbin/mosquitto", "-c", config)
	p.Listens(t, fmt.Sprintf("127.0.0.1:%d", port))
	return p, fmt.Sprintf("ws://127.0.0.1:%d/mqtt", port)
}

// startRabbit returns the broker and its URL. All that it listens on is loopback, also Erlang's
// mapper of ports, which it would start otherwise.
func startRabbit(t *trial.T) (*trial.Process, string) {
	port, mapper, dist := t.FreePort(), t.FreePort(), t.FreePort()
	m := t.Start("", nil, "epmd", "-address", "127.0.0.1", "-port", fmt.Sprint(mapper))
	m.Listens(t, fmt.Sprintf("127.0.0.1:%d", mapper))
	config := writeFile(t, "rabbitmq.conf", fmt.Sprintf(`
listeners.tcp = none
mqtt.listeners.tcp = none
mqtt.allow_anonymous = true
web_mqtt.tcp.ip = 127.0.0.1
web_mqtt.tcp.port = %d
disk_free_limit.absolute = 10MB
`, port))
	p := t.Start("", []string{
		"HOME=" + t.TempDir(),
		"ERL_EPMD_PORT=" + fmt.Sprint(mapper),
		"RABBITMQ_NODENAME=interop@localhost",
		"RABBITMQ_DIST_PORT=" + fmt.Sprint(dist),
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=-kernel inet_dist_use_interface {127,0,0,1}",
		"RABBITMQ_CONF_ENV_FILE=/dev/null",
		"RABBITMQ_CONFIG_FILE=" + config,
		"RABBITMQ_ENABLED_PLUGINS_FILE=" + writeFile(t, "plugins", "[rabbitmq_web_mqtt]."),
		"RABBITMQ_MNESIA_BASE=" + filepath.Join(t.TempDir(), "mnesia"),
		"RABBITMQ_LOG_BASE=" + filepath.Join(t.TempDir(), "log"),
		"RABBITMQ_LOGS=-",
	}, "/usr/lib/rabbitmq/bin/rabbitmq-server")
	p.Listens(t, fmt.Sprintf("127.0.0.1:%d", port))
	return p, fmt.Sprintf("ws://127.0.0.1:%d/ws", port)
}

// An mqttClient is a client in a check.
type mqttClient struct {
	paho.Client
	t    *trial.T
	conn net.Conn
	lost chan error
	got  chan paho.Message
}

func openMQTT(t *trial.T, broker, id string, set func(*paho.ClientOptions)) *mqttClient {
	c := &mqttClient{t: t, lost: make(chan error, 1), got: make(chan paho.Message)}
	o := paho.NewClientOptions().AddBroker(broker).SetClientID(id).SetAutoReconnect(false).
		SetConnectTimeout(10 * time.Second).SetKeepAlive(time.Second).
		SetConnectionLostHandler(func(_ paho.Client, err error) { c.lost <- err }).
		SetCustomOpenConnectionFn(func(u *url.URL, o paho.ClientOptions) (net.Conn, error) {
			ctx, cancel := context.WithTimeout(t.Context(), o.ConnectTimeout)
			defer cancel()
			var err error
			c.conn, err = mqtt.Open(ctx, u.String(), nil)
			return c.conn, err
		})
	if set != nil {
		set(o)
	}
	c.Client = paho.NewClient(o)
	c.done(c.Connect())
	t.Cleanup(func() { c.Disconnect(0) })
	return c
}

// done waits until the broker has answered.
func (c *mqttClient) done(token paho.Token) {
	select {
	case <-token.Done():
		require.NoError(c.t, token.Error())
	case <-c.t.Context().Done():
		require.Fail(c.t, "the broker did not answer")
	}
}

// subscribe gives what comes to next. While next is not called, the client reads no more.
func (c *mqttClient) subscribe(topic string, qos byte) {
	c.done(c.Subscribe(topic, qos, func(_ paho.Client, m paho.Message) {
		select {
		case c.got <- m:
		case <-c.t.Context().Done():
		}
	}))
}

func (c *mqttClient) next() paho.Message {
	select {
	case m := <-c.got:
		return m
	case err := <-c.lost:
		require.NoError(c.t, err)
	case <-c.t.Context().Done():
		require.Fail(c.t, "no message came")
	}
	return nil
}

// mqttSizes publishes payloads, and wants them back.
func mqttSizes(t *trial.T, broker string, sizes ...int) {
	c := openMQTT(t, broker, "sizes", nil)
	c.subscribe("sizes", 1)
	for _, n := range sizes {
		sent := bytes.Repeat([]byte("x"), n)
		c.done(c.Publish("sizes", 1, false, sent))
		require.True(t, bytes.Equal(sent, c.next().Payload()), "%d bytes", n)
	}
}

// The checks that mosquitto fails.
const (
	mqttLarge = "a payload of 1 MiB"
	mqttFlood = "a flood to a subscriber that reads nothing"
)

func runMQTT(t *trial.T, start func(t *trial.T) (*trial.Process, string)) {
	p, broker := start(t)
	ok := t.Check("publish and subscribe, QoS 0 to 2", func(t *trial.T) {
		c := openMQTT(t, broker, "one", nil)
		c.subscribe("a/+", 2)
		for qos := range byte(3) {
			c.done(c.Publish("a/b", qos, false, fmt.Sprintf("qos %d 水", qos)))
			m := c.next()
			require.Equal(t, fmt.Sprintf("qos %d 水", qos), string(m.Payload()))
			require.Equal(t, "a/b", m.Topic())
			require.LessOrEqual(t, m.Qos(), qos)
		}
	})
	if !ok {
		return
	}
	t.Check("payloads of 0 B to 64 KiB", func(t *trial.T) {
		mqttSizes(t, broker, 0, 1, 125, 126, 127, 4096, 65_535, 65_536, 65_537)
	})
	t.Check(mqttLarge, func(t *trial.T) { mqttSizes(t, broker, 1<<20) })
	t.Check("keepalive", func(t *trial.T) { // a ping of MQTT's after each second, which is answered
		c := openMQTT(t, broker, "alive", nil)
		pause(t, 3500*time.Millisecond)
		c.subscribe("alive", 0)
		c.done(c.Publish("alive", 0, false, "still"))
		require.Equal(t, "still", string(c.next().Payload()))
	})
	t.Check("will after our cut", func(t *trial.T) {
		heir := openMQTT(t, broker, "heir", nil)
		heir.subscribe("will", 1)
		c := openMQTT(t, broker, "dies", func(o *paho.ClientOptions) { o.SetWill("will", "gone", 1, false) })
		require.NoError(t, c.conn.Close())
		require.Equal(t, "gone", string(heir.next().Payload()))
	})
	t.Check(mqttFlood, func(t *trial.T) {
		c := openMQTT(t, broker, "slow", func(o *paho.ClientOptions) { o.SetKeepAlive(time.Minute) })
		c.subscribe("flood", 1)
		from := openMQTT(t, broker, "fast", nil)
		// Publish waits while our connection does: its broker reads no more.
		var published atomic.Int64
		last := make(chan paho.Token, 1)
		go func() { // ends with the flood, or with the client
			var token paho.Token
			for i := range floodCount {
				piece := binary.BigEndian.AppendUint32(make([]byte, floodSize-4), uint32(i))
				token = from.Publish("flood", 1, false, piece)
				published.Add(1)
			}
			last <- token
		}()
		t.Note(battery.FloodTo, "%s", stall(t, func() int { return int(published.Load()) }))
		for i := range floodCount {
			require.EqualValues(t, i, binary.BigEndian.Uint32(c.next().Payload()[floodSize-4:]))
		}
		from.done(<-last)
	})
	t.Check("killed", func(t *trial.T) {
		c := openMQTT(t, broker, "killed", nil)
		p.Kill()
		t.Note(battery.Closes, "killed: we saw %v", trial.Take(t, c.lost, "the end was not seen"))
	})
}
