package main

import (
	"context"

	"github.com/wsstream/wsstream/interop/battery"
	"github.com/wsstream/wsstream/interop/trial"
)

var goPeer = &trial.GoProgram{Package: "./peers/gopeer"}

// goRows are the WebSocket libraries of Go, each in both roles.
func goRows() (all []*trial.Row) {
	for _, lib := range []struct {
		arg, name string
		settings  battery.Settings
		pitfalls  []string
		known     map[trial.Role]map[string]string
		sometimes map[string]string
	}{
		{arg: "gorilla", name: "gorilla/websocket", settings: battery.Settings{Agreed: battery.NoTakeover}},
		{arg: "coder", name: "coder/websocket"},
		{arg: "gobwas", name: "gobwas/ws"},
		{arg: "gws", name: "gws"},
		{arg: "nbio", name: "nbio", known: map[trial.Role]map[string]string{
			trial.Server: {"empty messages": "it calls no handler for a message without bytes."},
			trial.Client: {"empty messages": "it calls no handler for a message without bytes."},
		}, sometimes: map[string]string{
			"our close in its flood": "at a Close it drops what its socket has not taken, its answer too.",
		}},
		{arg: "x-net", name: "golang.org/x/net/websocket",
			settings: battery.Settings{MaxFrameSize: -1},
			pitfalls: []string{"It gives each frame to its user, not each message: set `MaxFrameSize: -1`."},
			known: map[trial.Role]map[string]string{
				trial.Server: xnetKnown,
				trial.Client: xnetKnown,
			}},
	} {
		for _, role := range []trial.Role{trial.Server, trial.Client} {
			all = append(all, &trial.Row{
				Name:      lib.name,
				Role:      role,
				Core:      lib.arg == "gorilla",
				Needs:     []trial.Need{goPeer},
				Pitfalls:  lib.pitfalls,
				Known:     lib.known[role],
				Sometimes: lib.sometimes,
				Version: func(ctx context.Context) (string, error) {
					return trial.Output(ctx, goPeer.Path(), lib.arg, "version")
				},
				Run: func(t *trial.T) {
					p := t.Start("", nil, goPeer.Path(), lib.arg, string(role))
					battery.In(role, t, p, lib.settings)
				},
			})
		}
	}
	return all
}

var xnetKnown = map[string]string{
	"our fragments":          "it gives each frame to its user as a message.",
	"our close":              "it does not answer a Close.",
	"its close":              "it sends no reason.",
	"our close in its flood": "it does not answer a Close.",
	"our cut":                "it reports io.EOF for a Close and for a cut alike.",
}
