package phoenix

import (
	"context"
	"encoding/json"
	"strconv"
)

// A Live is the server's side of a LiveView: a template whose values change.
type Live struct {
	Template []string        // the HTML around the values: one part more than there are values
	Values   func() []string // escaped HTML

	// Event is called with what happened on the page.
	Event func(name string, value json.RawMessage) error
}

// Joined returns the channel of the view. Its topic begins with "lv:".
func (l *Live) Joined() Joined {
	sent := l.Values()
	rendered := map[string]any{"s": l.Template}
	for i, v := range sent {
		rendered[strconv.Itoa(i)] = v
	}
	return Joined{
		Response: map[string]any{"rendered": rendered},
		Serve:    func(ctx context.Context, ch *Channel) error { return l.serve(ctx, ch, sent) },
	}
}

// serve answers each event with the values that have changed.
func (l *Live) serve(ctx context.Context, ch *Channel, sent []string) error {
	for {
		m, err := ch.Pull(ctx)
		if err != nil {
			return nil //nolint:nilerr // the page was left
		}
		if m.Event == "event" {
			var e struct {
				Event string
				Value json.RawMessage
			}
			if err := json.Unmarshal(m.Payload, &e); err != nil {
				return err
			}
			if err := l.Event(e.Event, e.Value); err != nil {
				return err
			}
		}
		now := l.Values()
		response := map[string]any{"diff": diff(sent, now)}
		if sent = now; m.Reply(ctx, "ok", response) != nil {
			return nil
		}
	}
}

// diff returns the values that differ, by their position.
func diff(before, now []string) map[string]any {
	d := map[string]any{}
	for i := range now {
		if now[i] != before[i] {
			d[strconv.Itoa(i)] = now[i]
		}
	}
	return d
}
