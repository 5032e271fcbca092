package main

import (
	"fmt"
	"strings"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

// A subscriber subscribes a viewer, by one of the policies.
type subscriber func(*stream.Broadcast[item]) *stream.Subscription[item]

// by returns the subscriber by a policy.
func by[P stream.PolicyFor[item]](policy P) subscriber {
	return func(room *stream.Broadcast[item]) *stream.Subscription[item] {
		return stream.Subscribe(room, stream.Count(held), policy)
	}
}

// policies are what a viewer may ask for, by the names on the command line and in the URL.
var policies = []struct {
	name      string
	subscribe subscriber
}{
	{"block", by(stream.Block())},
	{"drop-newest", by(stream.DropNewest())},
	{"drop-oldest", by(stream.DropOldest())},
	{"latest", by(stream.Latest(func(i item) string { return i.service }))},
	{"disconnect", by(stream.Disconnect())},
}

// errSlow is what a viewer is closed with that asked for disconnect. An *wsstream.Error gives the
// Close frame its code.
var errSlow = &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 4008, Reason: "too slow"}}

func subscriberOf(policy string) (subscriber, error) {
	for _, p := range policies {
		if p.name == policy {
			return p.subscribe, nil
		}
	}
	return nil, fmt.Errorf("no policy %q: want %s", policy, policyNames())
}

func policyNames() string {
	var names []string
	for _, p := range policies {
		names = append(names, p.name)
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
