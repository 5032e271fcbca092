package scenario

import (
	"time"

	"github.com/wsstream/wsstream/bench/internal/peer"
	"github.com/wsstream/wsstream/bench/internal/work"
)

const (
	untilFresh = "until messages are fresh again"
	lost       = "lost"
)

// pauses is a consumer that stops and comes back.
func pauses() []Scenario {
	return []Scenario{{
		Name: "a consumer that stops for a while and comes back",
		Metrics: []Metric{{Name: untilFresh, Unit: "ms", Lower: true},
			{Name: lost, Unit: "messages", Lower: true}, growth, cut},
		Entries: ways(comeBack),
		MaxRuns: 3,
	}}
}

func comeBack(lib, way string, o Options) (Run, error) {
	order := peer.Order{Shape: peer.Consume, Conns: 1, Buffer: roomBuffer}
	s, m, err := openRoom(roomJob(lib, way, roomSize), order)
	if err != nil {
		return Run{}, err
	}
	defer s.close()
	consumer := s.more[0]
	if err := s.library.Call(work.MethodGo, work.Pace{Rate: roomRate}, nil); err != nil {
		return Run{}, err
	}
	if err := m.follow(o.Time); err != nil {
		return Run{}, err
	}
	if err := consumer.Call(peer.MethodPause, nil, nil); err != nil {
		return Run{}, err
	}
	if err := m.follow(10 * o.Time); err != nil {
		return Run{}, err
	}
	if err := consumer.Call(peer.MethodResume, nil, nil); err != nil {
		return Run{}, err
	}
	var state peer.Sample
	for end := time.Now().Add(patience); state.Recovered == 0 && state.Cut == 0 &&
		time.Now().Before(end); {
		pause(poll)
		if err := consumer.Call(peer.MethodSample, nil, &state); err != nil {
			return Run{}, err
		}
	}
	if err := m.follow(o.Time); err != nil {
		return Run{}, err
	}
	if err := consumer.Call(peer.MethodSample, nil, &state); err != nil {
		return Run{}, err
	}
	r := Run{Memory: m.points, Note: m.note, Values: map[string]float64{
		Growth: m.most(),
		Cut:    float64(state.Cut),
	}}
	if state.Cut == 0 {
		r.Values[lost] = float64(state.FastLost)
	}
	switch {
	case state.Recovered > 0:
		r.Values[untilFresh] = float64(state.Recovered) / float64(time.Millisecond)
	case state.Cut > 0:
		r.Note = "the connection was cut"
	default:
		r.Note = "never within " + patience.String()
	}
	return r, nil
}
