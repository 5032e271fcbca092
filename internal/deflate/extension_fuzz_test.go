package deflate

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The grammar of Sec-WebSocket-Extensions, as RFC 6455, section 9.1 has it.
const (
	tokenExp = "[!#$%&'*+.^_`|~0-9A-Za-z-]+"
	valueExp = tokenExp + `|"(?:\\?[!#$%&'*+.^_` + "`" + `|~0-9A-Za-z-])+"`
	paramExp = `[ \t]*;[ \t]*(` + tokenExp + `)(?:[ \t]*=[ \t]*(` + valueExp + `))?`
	extExp   = `(` + tokenExp + `)((?:` + paramExp + `)*)[ \t]*`
)

var (
	aList  = regexp.MustCompile(`^[ \t,]*(?:` + extExp + `(?:,[ \t,]*|$))*$`)
	anExt  = regexp.MustCompile(extExp + `(?:,|$)`)
	aParam = regexp.MustCompile(paramExp)
	anInt  = regexp.MustCompile(`^(?:[89]|1[0-5])$`)
)

// naiveParse parses a field with the grammar.
func naiveParse(field string) (all []extension, ok bool) {
	if !aList.MatchString(field) {
		return nil, false
	}
	for _, x := range anExt.FindAllStringSubmatch(field, -1) {
		e := extension{name: x[1]}
		for _, p := range aParam.FindAllStringSubmatch(x[2], -1) {
			value := strings.NewReplacer(`"`, "", `\`, "").Replace(p[2])
			e.params = append(e.params, param{p[1], value, p[2] != ""})
		}
		all = append(all, e)
	}
	return all, true
}

// naiveOffer returns the parameters of an element by name: "" for one without a value. It reports
// whether they are those that a client may offer, or a server may answer with.
func naiveOffer(x extension, answer bool) (map[string]string, bool) {
	params := map[string]string{}
	ok := x.name == Name
	for _, p := range x.params {
		_, twice := params[p.name]
		params[p.name] = p.value
		switch p.name {
		case serverNoTakeover, clientNoTakeover:
			ok = ok && !p.valued
		case serverBits:
			ok = ok && anInt.MatchString(p.value)
		case clientBits:
			ok = ok && (anInt.MatchString(p.value) || !p.valued && !answer)
		default:
			ok = false
		}
		ok = ok && !twice
	}
	return params, ok
}

// naiveBits returns the window bits that an element allows. Without the parameter that is the most.
func naiveBits(params map[string]string, name string) int {
	if n, err := strconv.Atoi(params[name]); err == nil {
		return n
	}
	return MaxBits
}

func configOf(setup uint16) Config {
	return Config{
		Bits:           MinBits + int(setup&7),
		NoTakeover:     setup&8 != 0,
		PeerBits:       MinBits + int(setup>>4&7),
		PeerNoTakeover: setup&128 != 0,
	}
}

// FuzzExtensions compares the parser with a grammar.
func FuzzExtensions(f *testing.F) {
	f.Fuzz(func(t *testing.T, field string) {
		want, ok := naiveParse(field)
		got, err := parse([]string{field})
		require.Equal(t, ok, err == nil, "%q: %v", field, err)
		require.Equal(t, want, got)
		require.Equal(t, ok && len(want) == 0, Unoffered([]string{field}) == nil)
	})
}

// FuzzAnswer answers any offers. The answer is to the first that can be met, and allows no more
// than that. The client reads the same from it.
func FuzzAnswer(f *testing.F) {
	f.Fuzz(func(t *testing.T, field string, setup uint16) {
		c := configOf(setup)
		p, response, ok, err := c.Answer([]string{field})
		offers, wellFormed := naiveParse(field)
		require.Equal(t, wellFormed, err == nil)
		for _, x := range offers {
			offer, mayBe := naiveOffer(x, false)
			if !mayBe {
				continue
			}
			require.True(t, ok, field)
			checkAnswer(t, c, offer, p, response)
			return
		}
		require.False(t, ok, field)
		require.Empty(t, response)
		require.Zero(t, p)
	})
}

func checkAnswer(t *testing.T, c Config, offer map[string]string, p Params, response string) {
	elements, ok := naiveParse(response)
	require.True(t, ok, response)
	require.Len(t, elements, 1)
	answer, ok := naiveOffer(elements[0], true)
	require.True(t, ok, response)

	_, asked := offer[serverNoTakeover]
	_, told := answer[serverNoTakeover]
	require.True(t, told || !asked)
	require.Equal(t, told, p.Server.NoTakeover)
	_, told = answer[clientNoTakeover]
	require.Equal(t, told, p.Client.NoTakeover)
	require.LessOrEqual(t, p.Server.Bits, min(c.Bits, naiveBits(offer, serverBits)))
	require.LessOrEqual(t, p.Server.Bits, naiveBits(answer, serverBits))
	if _, asked = offer[serverBits]; asked {
		require.Contains(t, answer, serverBits)
	}
	if _, allowed := offer[clientBits]; !allowed {
		require.NotContains(t, answer, clientBits)
	}
	require.Equal(t, p.Client.Bits, naiveBits(answer, clientBits))
	require.LessOrEqual(t, p.Client.Bits, naiveBits(offer, clientBits))

	client, ok, err := Config{Bits: MaxBits, PeerBits: MaxBits}.Check([]string{response})
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, p.Client, client.Client)
	require.Equal(t, p.Server.NoTakeover, client.Server.NoTakeover)
	require.LessOrEqual(t, p.Server.Bits, client.Server.Bits)
}

// FuzzCheck checks any response to our offer. One that is taken is a single answer, whose words are
// kept.
func FuzzCheck(f *testing.F) {
	f.Fuzz(func(t *testing.T, field string, setup uint16) {
		c := configOf(setup)
		p, ok, err := c.Check([]string{field})
		elements, wellFormed := naiveParse(field)
		if !wellFormed || len(elements) == 0 {
			require.False(t, ok)
			require.Equal(t, wellFormed, err == nil)
			return
		}
		answer, mayBe := naiveOffer(elements[0], true)
		require.Equal(t, mayBe && len(elements) == 1, err == nil, field)
		require.Equal(t, err == nil, ok)
		if err != nil {
			require.Zero(t, p)
			return
		}
		_, server := answer[serverNoTakeover]
		_, client := answer[clientNoTakeover]
		require.Equal(t, Params{
			Server: Sender{naiveBits(answer, serverBits), server},
			Client: Sender{min(c.Bits, naiveBits(answer, clientBits)), client || c.NoTakeover},
		}, p)
	})
}
