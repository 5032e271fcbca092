package scenario

import (
	"fmt"
	"time"

	"github.com/wsstream/wsstream/bench/internal/work"
)

// The metrics of a room at full speed.
const (
	Lossless   = "lossless, messages a second"
	DeliverCPU = "CPU a delivery"
	Growing    = "still growing by"
)

var deliverCPU = Metric{Name: DeliverCPU, Unit: "µs", Lower: true}

const (
	// keepsPace is the least share of a rate that has to arrive, so that nothing piles up.
	keepsPace = 0.95
	// slower is the next lower rate, as a share, when a rate turns out not to last.
	slower  = 0.92
	unpaced = 1e6 // messages a second: more than a room can send
)

// RaceName is the name of the scenario of a room at full speed. Some consumers are stopped.
func RaceName(o Options, stopped, size int) string {
	return Sized(fmt.Sprintf("one to %d at full speed, %s", Consumers(o), share(stopped)), size)
}

// share says how many of the consumers are stopped.
func share(stopped int) string {
	if stopped == 0 {
		return "all fast"
	}
	return fmt.Sprintf("%d of them %s", stopped, Stopped)
}

// RaceSizes are the sizes of its messages, in bytes.
func RaceSizes(o Options) []int { return pick(o, []int{1 << 10, 64}, []int{1 << 10}) }

func races(o Options) []Scenario {
	var scenarios []Scenario
	for _, size := range RaceSizes(o) {
		for _, stopped := range Shares(o) {
			scenarios = append(scenarios, Scenario{
				Name: RaceName(o, stopped, size),
				Metrics: []Metric{{Name: Lossless}, deliverCPU, growth,
					{Name: Growing, Unit: "MiB/s", Plain: true}, cut},
				Entries: ways(func(lib, way string, o Options) (Run, error) {
					return race(roomJob(lib, way, size), stopped, o)
				}),
			})
		}
	}
	return scenarios
}

// race searches the highest rate at which each fast consumer gets each message. What it reports was
// measured at that rate afterwards, for longer. If something is lost then, the next lower rates are
// tried.
func race(job work.Job, stopped int, o Options) (Run, error) {
	fast := Consumers(o) - stopped
	s, m, err := openHeld(job, stopped, fast, 1)
	if err != nil {
		return ended(err, map[string]float64{Lossless: 0})
	}
	defer s.close()
	var b burst
	lasts := func(rate float64, long time.Duration) (bool, error) {
		count := max(1, int64(rate*long.Seconds()))
		var err error
		b, err = m.publish(rate, count, fast)
		return b.lost == 0 && float64(count)/b.took.Seconds() >= keepsPace*rate, err
	}
	rate, err := fastest(pick[float64](o, mostRate, firstRate), func(rate float64) (bool, error) {
		return lasts(rate, o.Time)
	})
	for ; err == nil && rate >= leastRate; rate *= keepsPace {
		var good bool
		if good, err = lasts(rate, 3*o.Time); good {
			break
		}
	}
	if err != nil {
		return Run{}, err
	}
	values := map[string]float64{Lossless: 0, Growth: m.most(), Cut: float64(b.to.peer.Cut)}
	if rate >= leastRate {
		library, peers := b.to.library, b.to.peer
		values[Lossless] = rate
		values[DeliverCPU] = b.cpu
		values[Growing] = mibs(library.RSS-b.from.library.RSS) / b.took.Seconds()
		values["the library's CPU, %"] = percent(library.CPU-b.from.library.CPU, b.took)
		values["the peer's share, %"] = percent(peers.CPU-b.from.peer.CPU, b.took)
	}
	return Run{Note: m.note, Values: values}, nil
}
