package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/time/rate"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/examples/internal/contract"
	"github.com/wsstream/wsstream/wstest"
)

// A bench is a server in memory whose folder is a real one, in a bubble.
type bench struct {
	*testing.T
	dir    string
	doc    *contract.Document
	site   *site
	server *wstest.Server

	options *wsstream.DialOptions // of the clients
	out     bytes.Buffer
}

func onBench(t *testing.T, o options, test func(b *bench)) {
	dir, doc := t.TempDir(), contract.Open(t, "asyncapi.yaml")
	synctest.Test(t, func(t *testing.T) {
		b := &bench{T: t, dir: dir, doc: doc}
		if o.largest == 0 {
			o.largest = 1 << 40
		}
		if o.diskRate == 0 {
			o.diskRate = rate.Inf
		}
		o.idle, o.keep = 30*time.Second, time.Hour
		st, err := openStore(dir, o.diskRate)
		require.NoError(t, err)
		t.Cleanup(st.close)
		b.site = newSite(&o, st, &b.out)
		b.server = wstest.NewServer(t, b.site.handler())
		test(b)
		require.NoError(t, b.site.accept.Shutdown(context.Background()))
	})
}

// A client uploads one file.
type client struct {
	*testing.T
	doc  *contract.Document
	conn *wsstream.Conn
}

// dial asks for an upload. query is name, length and, if it has three parts, offset.
func (b *bench) dial(query ...string) *client {
	values := url.Values{}
	for i, name := range []string{"name", "length", "offset"}[:len(query)] {
		values.Set(name, query[i])
	}
	return &client{b.T, b.doc, b.server.Dial("/upload?"+values.Encode(), b.options)}
}

func (c *client) send(p []byte) {
	c.Helper()
	m := wsstream.Binary(p)
	c.doc.Check(c, "bytes", m)
	require.NoError(c, c.conn.Writable().Write(c.Context(), m))
}

// pull returns the next answer, or the error of the end. The answer is one of asyncapi.yaml.
func (c *client) pull() (a answer, err error) {
	c.Helper()
	m, err := c.conn.Readable().Pull(c.Context())
	if err == nil {
		require.Equal(c, wsstream.TypeText, m.Type)
		require.NoError(c, json.Unmarshal(m.Data, &a))
		c.doc.Check(c, a.Type, m)
	}
	return a, err
}

// next returns the next answer that is not stored.
func (c *client) next() (a answer) {
	c.Helper()
	for a.Type == "" || a.Type == stored {
		var err error
		a, err = c.pull()
		require.NoError(c, err)
	}
	return a
}

// refused waits for the end and returns its code and reason. No file was announced as done.
func (c *client) refused() wsstream.CloseInfo {
	c.Helper()
	for {
		a, err := c.pull()
		if err == nil {
			require.NotEqual(c, done, a.Type)
			continue
		}
		info, err := c.conn.Closed().Wait(c.Context())
		require.NoError(c, err)
		synctest.Wait() // until the server has tidied up
		return info
	}
}

// whole uploads all of data, and returns the last answer.
func (b *bench) whole(name string, data []byte) answer {
	b.Helper()
	c := b.dial(name, fmt.Sprint(len(data)))
	require.Equal(b, answer{begin, 0, sum(nil)}, c.next())
	c.send(data)
	last := c.next()
	_, err := c.pull()
	require.Equal(b, io.EOF, err)
	return last
}

// files returns the names in the folder.
func (b *bench) files() (names []string) {
	entries, err := os.ReadDir(b.dir)
	require.NoError(b, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func (b *bench) content(name string) []byte {
	p, err := os.ReadFile(filepath.Join(b.dir, name))
	require.NoError(b, err)
	return p
}

func (b *bench) put(name string, p []byte) {
	require.NoError(b, os.WriteFile(filepath.Join(b.dir, name), p, 0o644))
}

func sum(p []byte) string {
	s := sha256.Sum256(p)
	return hex.EncodeToString(s[:])
}

// random returns bytes that repeat nothing.
func random(n int) []byte {
	p := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(p)
	return p
}

func TestUploadStoresAFileOfAnyLengthInMessagesOfAnyLength(t *testing.T) {
	for name, data := range map[string][]byte{
		"empty":               nil,
		"a byte":              random(1),
		"beyond all limits":   random(3<<20 + 1),
		"Bild 水 & %41 \".jpg": random(100),
	} {
		t.Run(name, func(t *testing.T) {
			onBench(t, options{}, func(b *bench) {
				require.Equal(b, answer{done, int64(len(data)), sum(data)}, b.whole(name, data))
				require.Equal(b, []string{name}, b.files())
				require.True(b, bytes.Equal(data, b.content(name)))
			})
		})
	}
}

func TestUploadTakesTheFileInPieces(t *testing.T) {
	onBench(t, options{}, func(b *bench) {
		data := random(200 << 10)
		c := b.dial("x", fmt.Sprint(len(data)))
		for rest := data; len(rest) > 0; {
			n := min(777, len(rest))
			c.send(rest[:n])
			rest = rest[n:]
		}
		require.Equal(b, begin, c.next().Type)
		require.Equal(b, answer{done, int64(len(data)), sum(data)}, c.next())
		require.True(b, bytes.Equal(data, b.content("x")))
	})
}

func TestUploadRefusesARequest(t *testing.T) {
	for name, r := range map[string]struct {
		query []string
		code  int
		says  string
	}{
		"without a name":             {nil, badRequest, "bad name"},
		"an empty name":              {[]string{"", "1"}, badRequest, "bad name"},
		"a name that goes up":        {[]string{"../x", "1"}, badRequest, "bad name"},
		"the folder above":           {[]string{"..", "1"}, badRequest, "bad name"},
		"up, further down":           {[]string{"a/../../x", "1"}, badRequest, "bad name"},
		"another folder":             {[]string{"a/x", "1"}, badRequest, "bad name"},
		"from the root":              {[]string{"/etc/x", "1"}, badRequest, "bad name"},
		"as on Windows":              {[]string{`..\x`, "1"}, badRequest, "bad name"},
		"the name of a part":         {[]string{".x.part", "1"}, badRequest, "bad name"},
		"what ends a string in C":    {[]string{"x\x00y", "1"}, badRequest, "bad name"},
		"what a terminal obeys":      {[]string{"x\x1b[2Jy", "1"}, badRequest, "bad name"},
		"what turns text around":     {[]string{"x\u202ey", "1"}, badRequest, "bad name"},
		"not UTF-8":                  {[]string{"x\xff", "1"}, badRequest, "bad name"},
		"a name that is too long":    {[]string{strings.Repeat("x", 201), "1"}, badRequest, "bad name"},
		"without a length":           {[]string{"x"}, badRequest, "the length is missing"},
		"a negative length":          {[]string{"x", "-1"}, badRequest, "bad length"},
		"a length in words":          {[]string{"x", "one"}, badRequest, "bad length"},
		"a length beyond all":        {[]string{"x", "9223372036854775808"}, badRequest, "bad length"},
		"a negative offset":          {[]string{"x", "1", "-1"}, badRequest, "bad offset"},
		"an offset in words":         {[]string{"x", "1", "there"}, badRequest, "bad offset"},
		"an offset without a part":   {[]string{"x", "1", "1"}, badOffset, "the server has 0 bytes"},
		"a file that is too large":   {[]string{"x", "1001"}, tooLarge, "at most 1000 bytes"},
		"the name of another folder": {[]string{"folder", "1"}, nameExists, "exists"},
	} {
		t.Run(name, func(t *testing.T) {
			onBench(t, options{largest: 1000}, func(b *bench) {
				require.NoError(b, os.Mkdir(filepath.Join(b.dir, "folder"), 0o755))
				info := b.dial(r.query...).refused()
				require.Equal(b, r.code, info.Code)
				require.Contains(b, info.Reason, r.says)
				require.Equal(b, []string{"folder"}, b.files())
			})
		})
	}
}

func TestALongestNameHasRoomForItsPart(t *testing.T) {
	onBench(t, options{}, func(b *bench) {
		b.whole(strings.Repeat("x", longestName), random(10))
	})
}

func TestALinkOutOfTheFolderIsNotFollowed(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	require.NoError(t, os.WriteFile(outside, []byte("mine"), 0o644))
	onBench(t, options{}, func(b *bench) {
		require.NoError(b, os.Symlink(outside, filepath.Join(b.dir, ".x.part")))
		require.NoError(b, os.Symlink(outside, filepath.Join(b.dir, "y")))
		require.Equal(b, 1011, b.dial("x", "8", "part").refused().Code)
		require.Equal(b, nameExists, b.dial("y", "4", "part").refused().Code)
		got, err := os.ReadFile(outside)
		require.NoError(b, err)
		require.Equal(b, "mine", string(got))
	})
}

func TestAClientThatSendsMoreThanItSaidGetsNoFile(t *testing.T) {
	for name, send := range map[string]func(c *client){
		"in one message":               func(c *client) { c.send(random(chunk + 1)) },
		"in a message that is its own": func(c *client) { c.send(random(chunk)); c.send(random(1)) },
		"far more": func(c *client) {
			c.send(random(chunk))
			for err := error(nil); err == nil; {
				err = c.conn.Writable().Write(c.Context(), wsstream.Binary(random(1000)))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			onBench(t, options{}, func(b *bench) {
				c := b.dial("x", fmt.Sprint(chunk))
				c.next()
				send(c)
				info := c.refused()
				require.Equal(b, badLength, info.Code)
				require.Equal(b, "more came than the 32768 bytes that were announced", info.Reason)
				require.Empty(b, b.files())
			})
		})
	}
}

func TestAClientThatSendsLessThanItSaidIsToldAfterAWhile(t *testing.T) {
	onBench(t, options{}, func(b *bench) {
		c := b.dial("x", "10")
		c.send(random(4))
		c.next()
		began := time.Now()
		info := c.refused()
		require.Equal(b, wentIdle, info.Code)
		require.Equal(b, "4 of 10 bytes came, and then none for 30s", info.Reason)
		require.Equal(b, 30*time.Second, time.Since(began).Round(time.Second))
		require.Equal(b, []string{".x.part"}, b.files())
	})
}

func TestASlowDiskIsNotTakenForAnIdleClient(t *testing.T) {
	onBench(t, options{diskRate: 1 << 10}, func(b *bench) { // a chunk in 32 seconds
		require.Equal(b, done, b.whole("x", random(3*chunk)).Type)
	})
}

func TestASlowDiskDoesNotKeepTheNameOfAClientThatIsGoneBusy(t *testing.T) {
	onBench(t, options{diskRate: 1}, func(b *bench) { // a chunk in 9 hours
		data := random(2 * chunk)
		c := b.dial("x", fmt.Sprint(3*chunk))
		c.next()
		c.send(data)
		c.conn.CloseNow()
		time.Sleep(time.Second) //nolint:forbidigo // on the bubble's clock
		c = b.dial("x", fmt.Sprint(3*chunk), "part")
		require.Equal(b, answer{begin, 2 * chunk, sum(data)}, c.next())
		c.conn.CloseNow()
	})
}

func TestASlowDiskSlowsTheClientDown(t *testing.T) {
	const speed = 100 << 10
	onBench(t, options{diskRate: speed}, func(b *bench) {
		data := random(2 << 20)
		c := b.dial("x", fmt.Sprint(len(data)))
		c.next()
		began := time.Now()
		sent := make(chan struct{})
		go func() {
			defer close(sent)
			for rest := data; len(rest) > 0; rest = rest[8<<10:] {
				c.send(rest[:8<<10])
			}
		}()
		// Between the two are both windows, what the transport and a read buffer hold, and what the
		// disk writes.
		const between = wsstream.DefaultWriteWindow + wsstream.DefaultReadWindow +
			64<<10 + 2*chunk + speed/4
		for told := 0; ; told++ {
			a, err := c.pull()
			require.NoError(b, err)
			require.LessOrEqual(b, c.conn.Stats().Sent.Bytes-a.Bytes, int64(between))
			if a.Type == done {
				require.Greater(b, told, 10, "it was told what is stored")
				require.LessOrEqual(b, told, int(time.Since(began)/tellEvery), "and not too often")
				break
			}
		}
		<-sent
		require.InDelta(b, float64(len(data))/speed, time.Since(began).Seconds(), 1)
	})
}

func TestASecondUploadOfANameIsRefused(t *testing.T) {
	onBench(t, options{}, func(b *bench) {
		data := random(10)
		b.whole("x", data)
		for _, query := range [][]string{{"x", "10"}, {"x", "11"}, {"x", "11", "part"}} {
			_, err := b.dial(query...).pull()
			require.Error(b, err, "it got an answer")
			end, _ := errors.AsType[*wsstream.Error](err)
			require.Equal(b, wsstream.CloseInfo{Code: nameExists, Reason: "a file of this name exists"},
				end.CloseInfo, "and no answer before")
		}
		require.Equal(b, data, b.content("x"))
		require.Equal(b, []string{"x"}, b.files())
	})
}

func TestTwoConcurrentUploadsOfANameGiveOneFile(t *testing.T) {
	onBench(t, options{}, func(b *bench) {
		first := b.dial("x", "10")
		first.next()
		second := b.dial("x", "10")
		require.Equal(b, wsstream.CloseInfo{Code: busy, Reason: "a file of this name is being uploaded"},
			second.refused())
		data := random(10)
		first.send(data)
		require.Equal(b, answer{done, 10, sum(data)}, first.next())
		require.Equal(b, data, b.content("x"))
	})
}

func TestAFileThatAppearsDuringAnUploadIsNotReplaced(t *testing.T) {
	onBench(t, options{}, func(b *bench) {
		c := b.dial("x", "10")
		c.next()
		b.put("x", []byte("mine"))
		c.send(random(10))
		require.Equal(b, nameExists, c.refused().Code)
		require.Equal(b, "mine", string(b.content("x")))
	})
}

func TestAnUploadThatWasCutGoesOnWhereItWas(t *testing.T) {
	for _, offset := range []string{"part", "60000"} {
		t.Run(offset, func(t *testing.T) {
			onBench(t, options{}, func(b *bench) {
				data := random(100_000)
				c := b.dial("x", "100000")
				c.next()
				c.send(data[:60_000])
				synctest.Wait()
				c.conn.CloseNow()
				synctest.Wait()
				require.Equal(b, []string{".x.part"}, b.files(), "and nothing under the name")

				c = b.dial("x", "100000", offset)
				require.Equal(b, answer{begin, 60_000, sum(data[:60_000])}, c.next())
				c.send(data[60_000:])
				require.Equal(b, answer{done, 100_000, sum(data)}, c.next())
				require.True(b, bytes.Equal(data, b.content("x")))
				require.Equal(b, []string{"x"}, b.files())
			})
		})
	}
}

func TestAnUploadThatIsLeftInOrderIsNotComplete(t *testing.T) {
	onBench(t, options{}, func(b *bench) {
		c := b.dial("x", "10")
		c.next()
		c.send(random(4))
		require.NoError(b, c.conn.Shutdown(b.Context(), wsstream.CloseInfo{Code: 1000}))
		synctest.Wait()
		require.Equal(b, []string{".x.part"}, b.files())
	})
}

func TestAnUploadWithoutAnOffsetBeginsAnew(t *testing.T) {
	onBench(t, options{}, func(b *bench) {
		// The old part has another name, too, as after a crash between the two steps of a commit.
		b.put("y", []byte("old and long"))
		require.NoError(b, os.Link(filepath.Join(b.dir, "y"), filepath.Join(b.dir, ".x.part")))
		data := random(4)
		require.Equal(b, answer{done, 4, sum(data)}, b.whole("x", data))
		require.Equal(b, "old and long", string(b.content("y")))
	})
}

func TestAPartThatDoesNotFitIsRefused(t *testing.T) {
	onBench(t, options{}, func(b *bench) {
		b.put(".x.part", []byte("1234567890"))
		for offset, reason := range map[string]string{
			"part": "the server has 10 bytes: begin anew",
			"4":    "bad offset 4: the server has 10 bytes",
		} {
			require.Equal(b, wsstream.CloseInfo{Code: badOffset, Reason: reason},
				b.dial("x", "9", offset).refused())
		}
		require.Equal(b, "1234567890", string(b.content(".x.part")))
	})
}

// The server can be lost when the file has its name, and before the client knows.
func TestAClientThatGoesOnWithACompleteFileLearnsWhatItIs(t *testing.T) {
	onBench(t, options{}, func(b *bench) {
		data := random(10)
		b.whole("x", data)
		c := b.dial("x", "10", "part")
		require.Equal(b, answer{exists, 10, sum(data)}, c.next())
		require.Equal(b, nameExists, c.refused().Code)
	})
}

func TestAFileIsStoredAlsoIfItsClientLeavesBehindTheLastByte(t *testing.T) {
	for name, leave := range map[string]func(c *client){
		"in order": func(c *client) { _ = c.conn.Close(wsstream.CloseInfo{Code: 1000}) },
		"cut":      func(c *client) { synctest.Wait(); c.conn.CloseNow() },
	} {
		t.Run(name, func(t *testing.T) {
			onBench(t, options{diskRate: 10 << 10}, func(b *bench) {
				data := random(3*chunk - 5)
				c := b.dial("x", fmt.Sprint(len(data)))
				c.next()
				c.send(data)
				leave(c)
				time.Sleep(time.Minute) //nolint:forbidigo // on the bubble's clock
				require.Equal(b, []string{"x"}, b.files())
				require.True(b, bytes.Equal(data, b.content("x")))
			})
		})
	}
}

func TestAFullDiskIsToldAndTheUploadGoesOnWhenThereIsRoom(t *testing.T) {
	onBench(t, options{}, func(b *bench) {
		room := 50_000
		b.site.store.write = func(f *os.File, p []byte) (int, error) {
			n, err := f.Write(p[:min(len(p), room)])
			if room -= n; err == nil && n < len(p) {
				err = &os.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
			}
			return n, err
		}
		data := random(100_000)
		c := b.dial("x", "100000")
		c.send(data)
		require.Equal(b, begin, c.next().Type)
		require.Equal(b, wsstream.CloseInfo{Code: diskFull, Reason: "the server's disk is full"},
			c.refused())
		require.Equal(b, []string{".x.part"}, b.files())
		require.True(b, bytes.Equal(data[:50_000], b.content(".x.part")))

		room = 1 << 20
		c = b.dial("x", "100000", "part")
		require.Equal(b, answer{begin, 50_000, sum(data[:50_000])}, c.next())
		c.send(data[50_000:])
		require.Equal(b, answer{done, 100_000, sum(data)}, c.next())
	})
}

func TestAServerThatStopsKeepsWhatHasCome(t *testing.T) {
	onBench(t, options{}, func(b *bench) {
		c := b.dial("x", "10")
		c.next()
		c.send(random(4))
		require.NoError(b, b.site.accept.Shutdown(b.Context()))
		require.Equal(b, 1001, c.refused().Code)
		require.Len(b, b.content(".x.part"), 4)
	})
}

func TestATextMessageIsRefused(t *testing.T) {
	onBench(t, options{}, func(b *bench) {
		c := b.dial("x", "10")
		require.NoError(b, c.conn.Writable().Write(b.Context(), wsstream.Text("text")))
		require.Equal(b, 1003, c.refused().Code)
		require.Empty(b, b.files())
		require.Contains(b, b.out.String(), "cut after 0 of 10 bytes: the client sent a text message")
		require.NotContains(b, b.out.String(), "NetConn")
	})
}

func TestAClientThatReadsNoAnswersDelaysNothing(t *testing.T) {
	onBench(t, options{diskRate: 3.9}, func(b *bench) { // a chunk immediately
		const slowly = 2500 // answers: more than the windows and the transport hold
		b.site.accept.Options.WriteWindow = 256
		b.site.accept.Options.PingInterval = 0 // or a ping without answer cuts
		b.options = &wsstream.DialOptions{ReadWindow: 256}
		c := b.dial("x", fmt.Sprint(chunk+slowly))
		c.send(make([]byte, chunk))
		for range slowly {
			c.send([]byte{1})
		}
		time.Sleep(slowly * time.Second / 3) //nolint:forbidigo // on the bubble's clock
		require.Equal(b, []string{"x"}, b.files())
	})
}

func TestSweepRemovesOldPartsAndThoseOfFilesThatExist(t *testing.T) {
	onBench(t, options{}, func(b *bench) {
		for _, name := range []string{".new.part", ".old.part", ".busy.part", ".x.part", "x", ".hidden"} {
			b.put(name, nil)
		}
		long := time.Now().Add(-2 * time.Hour)
		for _, name := range []string{".old.part", ".busy.part"} {
			require.NoError(b, os.Chtimes(filepath.Join(b.dir, name), long, long))
		}
		require.NoError(b, os.Chtimes(filepath.Join(b.dir, ".new.part"), time.Now(), time.Now()))
		require.True(b, b.site.store.lock("busy"))
		ctx, cancel := context.WithCancel(b.Context())
		sweeping := make(chan struct{})
		go func() {
			b.site.store.sweepEach(ctx, time.Hour, 30*time.Minute, b.site.note)
			close(sweeping)
		}()
		synctest.Wait()
		require.Equal(b, []string{".busy.part", ".hidden", ".new.part", "x"}, b.files())
		time.Sleep(time.Hour) //nolint:forbidigo // on the bubble's clock
		synctest.Wait()
		require.Equal(b, []string{".busy.part", ".hidden", "x"}, b.files())
		cancel()
		<-sweeping
	})
}

func TestTheDocumentTakesNoOtherAnswers(t *testing.T) {
	doc := contract.Open(t, "asyncapi.yaml")
	doc.CheckExamples(t)
	for name, bad := range map[string]string{
		"begin":  `{"type":"begin","bytes":0}`,
		"stored": `{"type":"stored","bytes":-1}`,
		"done":   `{"type":"begin","bytes":0,"sha256":"` + sum(nil) + `"}`,
		"exists": `{"type":"exists","bytes":0,"sha256":"` + sum(nil) + `","more":1}`,
	} {
		doc.CheckBad(t, name, wsstream.Text(bad))
	}
}
