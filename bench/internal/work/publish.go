package work

import (
	"encoding/binary"
	"time"

	"github.com/wsstream/wsstream/bench/internal/proc"
)

// Stamp is what a message to many starts with: its number, and when it was due, in nanoseconds on
// the machine's clock; two little-endian integers.
const Stamp = 16

// Go starts the publishing of a room's messages, in a goroutine that ends with the last one or with
// Stop. A publisher that was blocked sends the overdue messages as fast as it can afterwards, as a
// program does whose source waits for it. A Pace begins when the one before it has ended.
func (w *Worker) Go(p Pace) {
	start := proc.Now()
	w.began.Store(int64(start))
	go func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for n := int64(0); ; <-tick.C {
			for ; p.due(start, n) <= proc.Now(); n++ {
				if p.Count > 0 && n == p.Count || w.stopped.Load() {
					return
				}
				data := append([]byte(nil), w.payload...)
				binary.LittleEndian.PutUint64(data, uint64(w.out.Load()))
				binary.LittleEndian.PutUint64(data[8:], uint64(p.due(start, n)))
				w.room.Publish(data)
				w.out.Add(1)
			}
		}
	}()
}

// due is when message n should be sent.
func (p Pace) due(start time.Duration, n int64) time.Duration {
	return start + time.Duration(float64(n)/p.Rate*float64(time.Second))
}
