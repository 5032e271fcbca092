package work

import (
	"encoding/binary"
	"time"

	"github.com/wsstream/wsstream/bench/internal/proc"
)

// Stamp is what a message to many starts with: its number, and when it was due, in nanoseconds on
// the machine's clock; two little-endian integers.
const Stamp = 16

// Go starts the publishing of a room's messages at the job's rate, in a goroutine that ends with
// Stop. A publisher that was blocked sends the overdue messages as fast as it can afterwards, as a
// program does whose source waits for it.
func (w *Worker) Go() {
	go func() {
		start := proc.Now()
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for n := int64(0); ; <-tick.C {
			for ; w.due(start, n) <= proc.Now(); n++ {
				if w.stopped.Load() {
					return
				}
				data := append([]byte(nil), w.payload...)
				binary.LittleEndian.PutUint64(data, uint64(n))
				binary.LittleEndian.PutUint64(data[8:], uint64(w.due(start, n)))
				w.room.Publish(data)
				w.out.Add(1)
			}
		}
	}()
}

// due is when message n should be sent.
func (w *Worker) due(start time.Duration, n int64) time.Duration {
	return start + time.Duration(n)*time.Second/time.Duration(w.job.Rate)
}
