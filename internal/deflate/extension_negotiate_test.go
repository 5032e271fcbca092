package deflate

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAnswerTakesTheFirstOfferThatCanBeMet(t *testing.T) {
	all := Config{Bits: 15, PeerBits: 15}
	small := Config{Bits: 12, PeerBits: 10}
	none := Config{Bits: 15, NoTakeover: true, PeerBits: 15, PeerNoTakeover: true}
	for _, c := range []struct {
		name   string
		config Config
		fields []string
		want   string // empty: declined
		server Sender
		client Sender
	}{
		{
			name:   "nothing",
			config: all,
		},
		{
			name:   "an empty field",
			config: all,
			fields: []string{""},
		},
		{
			name:   "empty elements",
			config: all,
			fields: []string{" , ,permessage-deflate, "},
			want:   "permessage-deflate",
			server: Sender{Bits: 15},
			client: Sender{Bits: 15},
		},
		{
			name:   "plain",
			config: all,
			fields: []string{"permessage-deflate"},
			want:   "permessage-deflate",
			server: Sender{Bits: 15},
			client: Sender{Bits: 15},
		},
		{
			name:   "plain, small windows",
			config: small,
			fields: []string{"permessage-deflate"},
			want:   "permessage-deflate",
			server: Sender{Bits: 12},
			client: Sender{Bits: 15},
		},
		{
			name:   "plain, no takeover",
			config: none,
			fields: []string{"permessage-deflate"},
			want:   "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
			server: Sender{15, true},
			client: Sender{15, true},
		},
		{
			name:   "another extension",
			config: all,
			fields: []string{"x-webkit-deflate-frame"},
		},
		{
			name:   "the name is not case-folded",
			config: all,
			fields: []string{"Permessage-Deflate"},
		},
		{
			name:   "behind another extension",
			config: all,
			fields: []string{"foo; a=1, permessage-deflate"},
			want:   "permessage-deflate",
			server: Sender{Bits: 15},
			client: Sender{Bits: 15},
		},
		{
			name:   "in a second field",
			config: all,
			fields: []string{"foo", "permessage-deflate"},
			want:   "permessage-deflate",
			server: Sender{Bits: 15},
			client: Sender{Bits: 15},
		},
		{
			name:   "Chrome",
			config: all,
			fields: []string{"permessage-deflate; client_max_window_bits"},
			want:   "permessage-deflate",
			server: Sender{Bits: 15},
			client: Sender{Bits: 15},
		},
		{
			name:   "Chrome, small windows",
			config: small,
			fields: []string{"permessage-deflate; client_max_window_bits"},
			want:   "permessage-deflate; client_max_window_bits=10",
			server: Sender{Bits: 12},
			client: Sender{Bits: 10},
		},
		{
			name:   "Firefox",
			config: small,
			fields: []string{"permessage-deflate"},
			want:   "permessage-deflate",
			server: Sender{Bits: 12},
			client: Sender{Bits: 15},
		},
		{
			name:   "the client's bits, less than ours",
			config: small,
			fields: []string{"permessage-deflate; client_max_window_bits=9"},
			want:   "permessage-deflate; client_max_window_bits=9",
			server: Sender{Bits: 12},
			client: Sender{Bits: 9},
		},
		{
			name:   "the client's bits, more than ours",
			config: small,
			fields: []string{"permessage-deflate; client_max_window_bits=14"},
			want:   "permessage-deflate; client_max_window_bits=10",
			server: Sender{Bits: 12},
			client: Sender{Bits: 10},
		},
		{
			name:   "the client's bits, all",
			config: all,
			fields: []string{"permessage-deflate; client_max_window_bits=15"},
			want:   "permessage-deflate",
			server: Sender{Bits: 15},
			client: Sender{Bits: 15},
		},
		{
			name:   "our bits, less than ours",
			config: small,
			fields: []string{"permessage-deflate; server_max_window_bits=8"},
			want:   "permessage-deflate; server_max_window_bits=8",
			server: Sender{Bits: 8},
			client: Sender{Bits: 15},
		},
		{
			name:   "our bits, more than ours",
			config: small,
			fields: []string{"permessage-deflate; server_max_window_bits=14"},
			want:   "permessage-deflate; server_max_window_bits=12",
			server: Sender{Bits: 12},
			client: Sender{Bits: 15},
		},
		{
			name:   "our bits, all",
			config: all,
			fields: []string{"permessage-deflate; server_max_window_bits=15"},
			want:   "permessage-deflate; server_max_window_bits=15",
			server: Sender{Bits: 15},
			client: Sender{Bits: 15},
		},
		{
			name:   "a quoted value",
			config: all,
			fields: []string{`permessage-deflate; server_max_window_bits="10"`},
			want:   "permessage-deflate; server_max_window_bits=10",
			server: Sender{Bits: 10},
			client: Sender{Bits: 15},
		},
		{
			name:   "a quoted value with an escape",
			config: all,
			fields: []string{`permessage-deflate; server_max_window_bits="1\0"`},
			want:   "permessage-deflate; server_max_window_bits=10",
			server: Sender{Bits: 10},
			client: Sender{Bits: 15},
		},
		{
			name:   "white space wherever it may stand",
			config: all,
			fields: []string{"\t permessage-deflate\t; \tserver_max_window_bits \t= 10 ,foo"},
			want:   "permessage-deflate; server_max_window_bits=10",
			server: Sender{Bits: 10},
			client: Sender{Bits: 15},
		},
		{
			name:   "no white space",
			config: all,
			fields: []string{"foo,permessage-deflate;server_no_context_takeover;client_no_context_takeover"},
			want:   "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
			server: Sender{15, true},
			client: Sender{15, true},
		},
		{
			name:   "we shall not take over",
			config: all,
			fields: []string{"permessage-deflate; server_no_context_takeover"},
			want:   "permessage-deflate; server_no_context_takeover",
			server: Sender{15, true},
			client: Sender{Bits: 15},
		},
		{
			name:   "the client does not take over",
			config: all,
			fields: []string{"permessage-deflate; client_no_context_takeover"},
			want:   "permessage-deflate; client_no_context_takeover",
			server: Sender{Bits: 15},
			client: Sender{15, true},
		},
		{
			name:   "all parameters",
			config: small,
			fields: []string{"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=15"},
			want:   "permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=9; client_max_window_bits=10",
			server: Sender{9, true},
			client: Sender{10, true},
		},
		{
			name:   "an unknown parameter",
			config: all,
			fields: []string{"permessage-deflate; foo"},
		},
		{
			name:   "a parameter twice",
			config: all,
			fields: []string{"permessage-deflate; client_no_context_takeover; client_no_context_takeover"},
		},
		{
			name:   "bits twice",
			config: all,
			fields: []string{"permessage-deflate; server_max_window_bits=10; server_max_window_bits=10"},
		},
		{
			name:   "a flag with a value",
			config: all,
			fields: []string{"permessage-deflate; server_no_context_takeover=true"},
		},
		{
			name:   "our bits without a value",
			config: all,
			fields: []string{"permessage-deflate; server_max_window_bits"},
		},
		{
			name:   "bits of 7",
			config: all,
			fields: []string{"permessage-deflate; server_max_window_bits=7"},
		},
		{
			name:   "bits of 16",
			config: all,
			fields: []string{"permessage-deflate; client_max_window_bits=16"},
		},
		{
			name:   "bits with a leading zero",
			config: all,
			fields: []string{"permessage-deflate; server_max_window_bits=08"},
		},
		{
			name:   "bits with a sign",
			config: all,
			fields: []string{"permessage-deflate; server_max_window_bits=+9"},
		},
		{
			name:   "bits of no number",
			config: all,
			fields: []string{"permessage-deflate; client_max_window_bits=foo"},
		},
		{
			name:   "the second offer",
			config: all,
			fields: []string{"permessage-deflate; foo, permessage-deflate; server_max_window_bits=9"},
			want:   "permessage-deflate; server_max_window_bits=9",
			server: Sender{Bits: 9},
			client: Sender{Bits: 15},
		},
		{
			name:   "the second offer, in a second field",
			config: all,
			fields: []string{"permessage-deflate; client_max_window_bits=7", "permessage-deflate"},
			want:   "permessage-deflate",
			server: Sender{Bits: 15},
			client: Sender{Bits: 15},
		},
		{
			name:   "the first of two",
			config: all,
			fields: []string{"permessage-deflate; server_no_context_takeover, permessage-deflate"},
			want:   "permessage-deflate; server_no_context_takeover",
			server: Sender{15, true},
			client: Sender{Bits: 15},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, response, ok, err := c.config.Answer(c.fields)
			require.NoError(t, err)
			require.Equal(t, c.want != "", ok)
			require.Equal(t, c.want, response)
			require.Equal(t, Params{c.server, c.client}, p)
		})
	}
}

func TestNegotiateRefusesMalformedHeaders(t *testing.T) {
	for _, field := range []string{
		";",
		"permessage-deflate;",
		"permessage-deflate; ;",
		"permessage-deflate; =8",
		"permessage-deflate; server_max_window_bits=",
		`permessage-deflate; server_max_window_bits="`,
		`permessage-deflate; server_max_window_bits=""`,
		`permessage-deflate; server_max_window_bits="1 0"`,
		`permessage-deflate; server_max_window_bits="10`,
		`permessage-deflate; server_max_window_bits="10\`,
		`permessage-deflate; server_max_window_bits="10"0`,
		"permessage-deflate server_max_window_bits",
		"permessage-deflate; server_max_window_bits=1 0",
		"permessage-deflate; server_max_window_bits==8",
		"perméssage-deflate",
		"(foo)",
		"permessage-deflate, foo;",
		"foo bar, permessage-deflate",
	} {
		t.Run(field, func(t *testing.T) {
			_, _, ok, err := Config{Bits: 15, PeerBits: 15}.Answer([]string{"permessage-deflate", field})
			require.ErrorIs(t, err, ErrMalformed)
			require.False(t, ok)
			_, ok, err = Config{Bits: 15, PeerBits: 15}.Check([]string{field})
			require.ErrorIs(t, err, ErrMalformed)
			require.False(t, ok)
			require.ErrorIs(t, Unoffered([]string{field}), ErrMalformed)
		})
	}
}

func TestOffer(t *testing.T) {
	for _, c := range []struct {
		config Config
		want   string
	}{
		{Config{Bits: 15, PeerBits: 15}, "permessage-deflate; client_max_window_bits"},
		{Config{Bits: 12, PeerBits: 15}, "permessage-deflate; client_max_window_bits=12"},
		{Config{Bits: 9, PeerBits: 15}, "permessage-deflate; client_max_window_bits=9"},
		{Config{Bits: 15, NoTakeover: true, PeerBits: 15},
			"permessage-deflate; client_no_context_takeover; client_max_window_bits"},
		{Config{Bits: 8, PeerBits: 15},
			"permessage-deflate; client_max_window_bits=8, permessage-deflate"},
		{Config{Bits: 15, PeerBits: 9},
			"permessage-deflate; server_max_window_bits=9; client_max_window_bits, permessage-deflate"},
		{Config{Bits: 15, PeerBits: 15, PeerNoTakeover: true},
			"permessage-deflate; server_no_context_takeover; client_max_window_bits, permessage-deflate"},
		{Config{8, true, 8, true},
			"permessage-deflate; server_no_context_takeover; client_no_context_takeover; server_max_window_bits=8; client_max_window_bits=8, permessage-deflate"},
	} {
		require.Equal(t, c.want, c.config.Offer())
	}
}

func TestCheckOfTheResponseToOurOffer(t *testing.T) {
	all := Config{Bits: 15, PeerBits: 15}
	small := Config{Bits: 12, PeerBits: 10}
	none := Config{Bits: 15, NoTakeover: true, PeerBits: 15, PeerNoTakeover: true}
	for _, c := range []struct {
		name     string
		config   Config
		fields   []string
		wrong    string // in the error; empty: there is none
		declined bool
		server   Sender
		client   Sender
	}{
		{
			name:     "declined",
			config:   all,
			declined: true,
		},
		{
			name:     "declined by an empty field",
			config:   all,
			fields:   []string{""},
			declined: true,
		},
		{
			name:   "plain",
			config: all,
			fields: []string{"permessage-deflate"},
			server: Sender{Bits: 15},
			client: Sender{Bits: 15},
		},
		{
			name:   "no takeover, unasked",
			config: all,
			fields: []string{"permessage-deflate; server_no_context_takeover; client_no_context_takeover"},
			server: Sender{15, true},
			client: Sender{15, true},
		},
		{
			name:   "we take over only if we want to",
			config: none,
			fields: []string{"permessage-deflate; server_no_context_takeover"},
			server: Sender{15, true},
			client: Sender{15, true},
		},
		{
			name:   "our bits",
			config: all,
			fields: []string{"permessage-deflate; client_max_window_bits=8"},
			server: Sender{Bits: 15},
			client: Sender{Bits: 8},
		},
		{
			name:   "our bits, as many as offered",
			config: small,
			fields: []string{"permessage-deflate; server_max_window_bits=10; client_max_window_bits=12"},
			server: Sender{Bits: 10},
			client: Sender{Bits: 12},
		},
		{
			name:   "our bits, not told",
			config: small,
			fields: []string{"permessage-deflate; server_max_window_bits=10"},
			server: Sender{Bits: 10},
			client: Sender{Bits: 12},
		},
		{
			name:   "the server's bits, fewer than asked",
			config: small,
			fields: []string{"permessage-deflate; server_max_window_bits=9"},
			server: Sender{Bits: 9},
			client: Sender{Bits: 12},
		},
		{
			name:   "the server's bits, unasked",
			config: all,
			fields: []string{"permessage-deflate; server_max_window_bits=9"},
			server: Sender{Bits: 9},
			client: Sender{Bits: 15},
		},
		{
			name:   "a quoted value",
			config: all,
			fields: []string{`permessage-deflate;server_max_window_bits="11"`},
			server: Sender{Bits: 11},
			client: Sender{Bits: 15},
		},
		{
			name:   "our bits, more than offered",
			config: small,
			fields: []string{"permessage-deflate; server_max_window_bits=10; client_max_window_bits=13"},
			server: Sender{Bits: 10},
			client: Sender{Bits: 12},
		},
		{
			name:   "our bits, all",
			config: small,
			fields: []string{"permessage-deflate; client_max_window_bits=15"},
			server: Sender{Bits: 15},
			client: Sender{Bits: 12},
		},
		{
			name:   "our bits, to 8",
			config: Config{Bits: 8, PeerBits: 15},
			fields: []string{"permessage-deflate; client_max_window_bits=9"},
			server: Sender{Bits: 15},
			client: Sender{Bits: 8},
		},
		{
			name:   "the plain offer",
			config: small,
			fields: []string{"permessage-deflate"},
			server: Sender{Bits: 15},
			client: Sender{Bits: 12},
		},
		{
			name:   "the plain offer, with bits of the server's own",
			config: small,
			fields: []string{"permessage-deflate; server_max_window_bits=11"},
			server: Sender{Bits: 11},
			client: Sender{Bits: 12},
		},
		{
			name:   "the plain offer, where takeover was not wanted",
			config: none,
			fields: []string{"permessage-deflate; client_no_context_takeover"},
			server: Sender{Bits: 15},
			client: Sender{15, true},
		},
		{
			name:   "another extension",
			config: all,
			fields: []string{"foo"},
			wrong:  "and nothing else",
		},
		{
			name:   "one more extension",
			config: all,
			fields: []string{"permessage-deflate, foo"},
			wrong:  "and nothing else",
		},
		{
			name:   "one more field",
			config: all,
			fields: []string{"permessage-deflate", "foo"},
			wrong:  "and nothing else",
		},
		{
			name:   "twice",
			config: all,
			fields: []string{"permessage-deflate, permessage-deflate"},
			wrong:  "and nothing else",
		},
		{
			name:   "an unknown parameter",
			config: all,
			fields: []string{"permessage-deflate; foo=1"},
			wrong:  "foo is unknown",
		},
		{
			name:   "a parameter twice",
			config: all,
			fields: []string{"permessage-deflate; server_no_context_takeover; server_no_context_takeover"},
			wrong:  "server_no_context_takeover appears twice",
		},
		{
			name:   "a flag with a value",
			config: all,
			fields: []string{"permessage-deflate; client_no_context_takeover=1"},
			wrong:  `may not be "1"`,
		},
		{
			name:   "the server's bits without a value",
			config: all,
			fields: []string{"permessage-deflate; server_max_window_bits"},
			wrong:  "without a value",
		},
		{
			name:   "our bits without a value",
			config: all,
			fields: []string{"permessage-deflate; client_max_window_bits"},
			wrong:  "without a value",
		},
		{
			name:   "bits of 7",
			config: all,
			fields: []string{"permessage-deflate; client_max_window_bits=7"},
			wrong:  `may not be "7"`,
		},
		{
			name:   "bits of 16",
			config: all,
			fields: []string{"permessage-deflate; server_max_window_bits=16"},
			wrong:  `may not be "16"`,
		},
		{
			name:   "bits with a leading zero",
			config: all,
			fields: []string{"permessage-deflate; server_max_window_bits=010"},
			wrong:  `may not be "010"`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, ok, err := c.config.Check(c.fields)
			if c.wrong != "" {
				require.ErrorIs(t, err, ErrResponse)
				require.ErrorContains(t, err, c.wrong)
			} else {
				require.NoError(t, err)
			}
			require.Equal(t, c.wrong == "" && !c.declined, ok)
			require.Equal(t, Params{c.server, c.client}, p)
		})
	}
}

func TestCheckWithoutAnOfferAllowsNoAnswer(t *testing.T) {
	require.NoError(t, Unoffered(nil))
	require.NoError(t, Unoffered([]string{""}))
	require.ErrorIs(t, Unoffered([]string{Name}), ErrResponse)
}

// A server that knows the plain offer alone, as some that refuse every parameter, takes that.
func TestOfferEndsWithAPlainOne(t *testing.T) {
	for _, c := range []Config{{15, false, 15, true}, {15, false, 9, false}, {8, false, 15, false},
		{8, true, 8, true}} {
		offers, err := parse([]string{c.Offer()})
		require.NoError(t, err)
		require.Equal(t, extension{name: Name}, offers[len(offers)-1])
		p, ok, err := c.Check([]string{Name})
		require.NoError(t, err)
		require.True(t, ok)
		require.Equal(t, Params{Sender{Bits: 15}, Sender{c.Bits, c.NoTakeover}}, p)
	}
}

// Whatever a client of ours offers, a server of ours answers, and both read the same from it.
func TestNegotiateMakesBothSidesAgree(t *testing.T) {
	var configs []Config
	for _, bits := range []int{8, 9, 12, 15} {
		for _, peer := range []int{8, 11, 15} {
			for flags := range 4 {
				configs = append(configs, Config{bits, flags&1 > 0, peer, flags&2 > 0})
			}
		}
	}
	for _, client := range configs {
		for _, server := range configs {
			atServer, response, ok, err := server.Answer([]string{client.Offer()})
			require.NoError(t, err)
			require.True(t, ok)
			atClient, ok, err := client.Check([]string{response})
			require.NoError(t, err, response)
			require.True(t, ok)

			require.Equal(t, atServer.Server.NoTakeover, atClient.Server.NoTakeover)
			require.LessOrEqual(t, atServer.Server.Bits, atClient.Server.Bits,
				"what the server sends fits the client's window")
			require.LessOrEqual(t, atServer.Server.Bits, client.PeerBits)
			require.LessOrEqual(t, atClient.Client.Bits, atServer.Client.Bits,
				"what the client sends fits the server's window")
			require.LessOrEqual(t, atServer.Client.Bits, server.PeerBits)
			require.False(t, atServer.Client.NoTakeover && !atClient.Client.NoTakeover)
		}
	}
}

func TestExtensionsAndTheirParametersHaveALimitTogether(t *testing.T) {
	for _, c := range []struct {
		name             string
		extensions, with int // parameters each
		fits             bool
	}{
		{"128 extensions", 128, 0, true},
		{"129 extensions", 129, 0, false},
		{"64 extensions of one parameter", 64, 1, true},
		{"65 extensions of one parameter", 65, 1, false},
		{"one extension of 127 parameters", 1, 127, true},
		{"one extension of 128 parameters", 1, 128, false},
		{"one extension of 1000 parameters", 1, 1000, false},
	} {
		field := strings.Repeat("x"+strings.Repeat(";y", c.with)+",", c.extensions)
		half := len(field) / 2 / (2 + 2*c.with) * (2 + 2*c.with)
		all, err := parse([]string{field[:half], field[half:]})
		if c.fits {
			require.NoError(t, err, c.name)
			require.Len(t, all, c.extensions)
		} else {
			require.ErrorIs(t, err, ErrMalformed, c.name)
		}
	}
}
