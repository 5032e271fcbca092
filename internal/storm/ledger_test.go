package storm_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"unicode/utf8"

	"github.com/wsstream/wsstream"
)

// A message of the storm begins with its writer's number, its own number and its size:
// "07.000012.0000345|". The bytes behind that follow from these three. So a receiver can tell that
// a message is whole, that it came once, and in the order in which its writer wrote.
const (
	stormHeader = 18 // bytes
	shared      = 99 // the writer's number of messages that all writers send, again and again
)

// stormType is the type of a writer's n-th message. For a net.Conn all are binary.
func stormType(id, n int, onlyBinary bool) wsstream.Type {
	if !onlyBinary && (id+n)%2 == 0 {
		return wsstream.TypeText
	}
	return wsstream.TypeBinary
}

// stormDull reports whether a writer's n-th message compresses well. Such text is ASCII.
func stormDull(id, n int) bool { return (id+n)/2%2 == 0 }

// stormPayload returns a writer's n-th message, of that type and size. Half of them compress well.
// Text is a little shorter where its last character does not fit.
func stormPayload(t wsstream.Type, id, n, size int) []byte {
	b := fmt.Appendf(make([]byte, 0, size+16), "%02d.%06d.%07d|", id, n, size)
	dull := stormDull(id, n)
	switch r := rand.NewPCG(uint64(id), uint64(n)); {
	case t == wsstream.TypeText && dull:
		b = append(b, bytes.Repeat([]byte("all work and no play. "), size/22+1)...)
	case t == wsstream.TypeText:
		for len(b) < size {
			b = append(utf8.AppendRune(b, rune(0x4e00+r.Uint64()%0x2000)), '.', 'a'+byte(r.Uint64()%26))
		}
	case dull:
		b = append(b, make([]byte, size)...)
	default:
		for len(b) < size {
			b = binary.LittleEndian.AppendUint64(b, r.Uint64())
		}
	}
	b = b[:max(size, stormHeader)]
	for t == wsstream.TypeText && !utf8.Valid(b) {
		b = b[:len(b)-1] // a character is not cut
	}
	return b
}

// parseStorm reads a message's header.
func parseStorm(b []byte) (id, n, size int, err error) {
	f := bytes.Split(b[:stormHeader-1], []byte("."))
	if len(f) != 3 || b[stormHeader-1] != '|' {
		return 0, 0, 0, fmt.Errorf("received %q, which was not sent", b[:stormHeader])
	}
	for i, to := range []*int{&id, &n, &size} {
		if *to, err = strconv.Atoi(string(f[i])); err != nil {
			return 0, 0, 0, err
		}
	}
	return id, n, size, nil
}

// What became of a message at the sender.
type fate uint8

const (
	inFlight   fate = iota
	accepted        // it has to arrive if the end is in order
	refused         // it must not arrive
	unknown         // it may have been sent or not: the connection ended
	unfinished      // a part of it was sent, and its end never
)

type stormKey struct{ id, n int }

type arrival struct {
	size  int
	whole bool
	how   string
}

// A lane is all that went one way.
type lane struct {
	name       string
	onlyBinary bool
	fault      func(format string, args ...any)

	mu      sync.Mutex
	next    map[int]int // of each writer
	fates   map[stormKey]fate
	sizes   map[stormKey]int // of those that were accepted
	how     map[stormKey]string
	got     map[stormKey]arrival
	most    int // bytes of the largest message
	counts  [5]int
	bytes   int // of those that were accepted
	unnamed [5]int
	repeats [5]int

	whole, wholeBytes int // that were delivered to their ends
	unnamedGot        int // received, too short to have a header
	repeatsGot        int // received, of those that are prepared
	passedOver        int // closed before their header was read
}

func newLane(name string, onlyBinary bool, fault func(format string, args ...any)) *lane {
	return &lane{
		name:       name,
		onlyBinary: onlyBinary,
		fault:      func(format string, args ...any) { fault(name+": "+format, args...) },
		next:       map[int]int{},
		fates:      map[stormKey]fate{},
		sizes:      map[stormKey]int{},
		how:        map[stormKey]string{},
		got:        map[stormKey]arrival{},
	}
}

// make makes a writer's next message.
func (l *lane) make(id, size int) (stormKey, wsstream.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := stormKey{id, l.next[id]}
	l.next[id]++
	l.fates[k] = inFlight
	t := stormType(k.id, k.n, l.onlyBinary)
	m := wsstream.Message{Type: t, Data: stormPayload(t, k.id, k.n, size)}
	l.most = max(l.most, len(m.Data))
	return k, m
}

// settle notes what became of a message of which size bytes were sent.
func (l *lane) settle(how string, k stormKey, f fate, size int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[f]++
	l.most = max(l.most, size)
	if f == accepted {
		l.bytes += size
	}
	switch {
	case k.id == shared:
		l.repeats[f]++
	case size < stormHeader:
		l.unnamed[f]++
		delete(l.fates, k)
	default:
		l.fates[k], l.sizes[k], l.how[k] = f, size, how
	}
}

// begun notes a message that is too short to have a header, and that never comes to a valid end. A
// reader may pass it over.
func (l *lane) begun() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[unfinished]++
}

// A viewer is a goroutine that receives: what it gets of one writer is in that writer's order.
type viewer struct {
	l    *lane
	last map[int]int
}

func (l *lane) viewer() *viewer { return &viewer{l, map[int]int{}} }

// receive checks what was received of a message.
func (v *viewer) receive(how string, t wsstream.Type, b []byte, whole bool) {
	l := v.l
	l.mu.Lock()
	defer l.mu.Unlock()
	if whole {
		l.whole++
		l.wholeBytes += len(b)
	}
	switch {
	case len(b) < stormHeader && whole:
		l.unnamedGot++
		return
	case len(b) < stormHeader:
		l.passedOver++
		return
	}
	id, n, size, err := parseStorm(b)
	if err != nil {
		l.fault("%v", err)
		return
	}
	k := stormKey{id, n}
	if want := stormPayload(t, id, n, size); !bytes.HasPrefix(want, b) {
		l.fault("message %v was changed on its way", k)
	}
	if t != stormType(id, n, l.onlyBinary) {
		l.fault("message %v came as %v", k, t)
	}
	if id == shared {
		l.repeatsGot++
		return
	}
	if _, sent := l.fates[k]; !sent {
		l.fault("message %v was received and never sent", k)
	}
	if _, again := l.got[k]; again {
		l.fault("message %v was received twice", k)
	}
	if last, ok := v.last[id]; ok && last >= n {
		l.fault("message %v was received after %d", k, last)
	}
	v.last[id] = n
	l.got[k] = arrival{len(b), whole, how}
}

// check compares what was received with what was sent. If complete is set, everything that was
// accepted has to be there.
func (l *lane) check(complete bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	missing := 0
	for k, f := range l.fates {
		got, arrived := l.got[k]
		switch {
		case f == inFlight:
			l.fault("the call that sends message %v has not returned", k)
		case f == refused && arrived:
			l.fault("message %v was received by %s, and %s said that nothing was sent",
				k, got.how, l.how[k])
		case f == unfinished && got.whole:
			l.fault("message %v was received whole by %s, and its writer was never closed", k, got.how)
		case f == accepted && (got.whole || arrived && l.onlyBinary) && got.size != l.sizes[k]:
			l.fault("message %v, read by %s, has %d bytes, and %s has sent %d",
				k, got.how, got.size, l.how[k], l.sizes[k])
		case f == accepted && arrived && got.size > l.sizes[k]:
			l.fault("message %v has %d bytes, and only %d were sent", k, got.size, l.sizes[k])
		case f == accepted && !arrived:
			missing++
			if complete && missing > l.passedOver {
				l.fault("message %v was accepted by %s, and not received", k, l.how[k])
			}
		}
	}
	most := l.counts[accepted] + l.counts[unknown] + l.counts[unfinished]
	all := len(l.got) + l.unnamedGot + l.repeatsGot + l.passedOver
	if all > most || complete && all < l.counts[accepted] {
		l.fault("%d messages were received, %d were accepted, %d may have been sent",
			all, l.counts[accepted], most-l.counts[accepted])
	}
	if most := l.repeats[accepted] + l.repeats[unknown]; l.repeatsGot > most {
		l.fault("%d prepared messages were received, and %d sent", l.repeatsGot, most)
	}
	if most := l.unnamed[accepted] + l.unnamed[unknown]; l.unnamedGot > most {
		l.fault("%d messages of a few bytes were received, and %d sent", l.unnamedGot, most)
	}
}
