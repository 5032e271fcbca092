package main

import (
	"fmt"
	"strings"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/stream"
)

// policies are what a viewer may ask for, by the names on the command line and in the URL.
var policies = []struct {
	name   string
	policy stream.Policy[item]
}{
	{"block", stream.Block[item]},
	{"drop-newest", stream.DropNewest[item]},
	{"drop-oldest", stream.DropOldest[item]},
	{"latest", stream.Latest(func(i item) string { return i.service })},
	{"disconnect", stream.Disconnect[item]},
}

// errSlow is what a viewer is closed with that asked for disconnect. An *wsstream.Error gives the Close frame its code.
var errSlow = &wsstream.Error{CloseInfo: wsstream.CloseInfo{Code: 4008, Reason: "too slow"}}

func policyOf(name string) (stream.Policy[item], error) {
	for _, p := range policies {
		if p.name == name {
			return p.policy, nil
		}
	}
	return nil, fmt.Errorf("no policy %q: want %s", name, policyNames())
}

func policyNames() string {
	var names []string
	for _, p := range policies {
		names = append(names, p.name)
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
