package main

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wsstream/wsstream"
	"github.com/wsstream/wsstream/examples/internal/contract"
)

func TestABadMessageIsRefused(t *testing.T) {
	for says, bad := range map[string]string{
		"not a message":          `{`,
		`unknown type "shout"`:   `{"type":"shout","topic":"orders"}`,
		`unknown type "nosuch"`:  `{"type":"nosuch"}`,
		"no name of a topic":     `{"type":"subscribe","topic":"or.ders"}`,
		"no name of a position":  `{"type":"subscribe","topic":"orders","name":"a b"}`,
		"no pattern of keys":     `{"type":"subscribe","topic":"orders","keys":"a.>.b"}`,
		"no key":                 `{"type":"publish","topic":"orders","key":"a.*","data":"","id":"1"}`,
		"an id has":              `{"type":"publish","topic":"orders","key":"a","data":""}`,
		"either data or data64":  `{"type":"publish","topic":"orders","key":"a","id":"1"}`,
		"data or data64":         `{"type":"publish","topic":"orders","key":"a","id":"1","data":"","data64":""}`,
		"cannot unmarshal":       `{"type":"subscribe","topic":"orders","after":-1}`,
		"no name of a topic (2)": `{"type":"ack","topic":"` + strings.Repeat("x", 65) + `"}`,
	} {
		_, err := parse(wsstream.Text(bad))
		says, _, _ = strings.Cut(says, " (")
		require.ErrorContains(t, err, says, bad)
	}
	_, err := parse(wsstream.Binary([]byte(`{"type":"unsubscribe","topic":"orders"}`)))
	require.ErrorContains(t, err, "text message")
}

func TestAPatternOfKeysMayHaveWildcards(t *testing.T) {
	for _, keys := range []string{">", "*", "eu", "eu.>", "eu.*.berlin", "*.>"} {
		require.True(t, isKeys(keys), keys)
	}
	for _, keys := range []string{"", ".", "eu.", ">.eu", "e*", "eu..de", "eu >"} {
		require.False(t, isKeys(keys), keys)
	}
}

func TestAPayloadSurvivesItsFrame(t *testing.T) {
	for _, b := range [][]byte{{}, []byte("two coffees"), []byte("\"ü\u2028\n"), {0xff, 0, 1}} {
		v, err := decode(messageFrame("orders", 7, "eu.de", b))
		require.NoError(t, err)
		m := v.(*Message)
		require.Equal(t, []any{"orders", uint64(7), "eu.de"}, []any{m.Topic, m.Seq, m.Key})
		got, err := payload(m.Data, m.Data64)
		require.NoError(t, err)
		require.Equal(t, b, got)
	}
}

func TestTheExamplesInTheCommentsAreMessages(t *testing.T) {
	doc := contract.Open(t, "asyncapi.yaml")
	for _, v := range []struct {
		example string
		into    any
	}{
		{`{"type":"subscribe","topic":"orders","after":41,"name":"till-3","keys":"eu.>"}`, &Subscribe{}},
		{`{"type":"subscribed","topic":"orders","policy":"all","after":41}`, &Subscribed{}},
		{`{"type":"unsubscribe","topic":"orders"}`, &Unsubscribe{}},
		{`{"type":"unsubscribed","topic":"orders"}`, &Unsubscribed{}},
		{`{"type":"message","topic":"orders","seq":42,"key":"eu.berlin","data":"two coffees"}`, &Message{}},
		{`{"type":"ack","topic":"orders","seq":42}`, &Ack{}},
		{`{"type":"acked","topic":"orders","seq":42}`, &Acked{}},
		{`{"type":"publish","topic":"orders","key":"eu.berlin","data":"two coffees","id":"till-3/17"}`, &Publish{}},
		{`{"type":"published","topic":"orders","id":"till-3/17","seq":43}`, &Published{}},
		{`{"type":"error","code":"gone","topic":"orders","text":"…","first":100}`, &Error{}},
	} {
		require.NoError(t, json.Unmarshal([]byte(v.example), v.into))
		again, err := json.Marshal(v.into)
		require.NoError(t, err)
		require.JSONEq(t, v.example, string(again))
		name := strings.ToLower(reflect.TypeOf(v.into).Elem().Name())
		doc.Check(t, name, wsstream.Text(v.example))
	}
}

func TestTheDocumentTakesNoOtherMessages(t *testing.T) {
	doc := contract.Open(t, "asyncapi.yaml")
	doc.CheckExamples(t)
	for _, bad := range []struct{ name, text string }{
		{"subscribe", `{"type":"subscribe","topic":"or.ders"}`},
		{"subscribe", `{"type":"subscribe","topic":"orders","keys":"a.>.b"}`},
		{"subscribe", `{"type":"subscribe","topic":"orders","after":-1}`},
		{"publish", `{"type":"publish","topic":"orders","key":"a","id":"1"}`},
		{"publish", `{"type":"publish","topic":"orders","key":"a","id":"1","data":"","data64":""}`},
		{"publish", `{"type":"publish","topic":"orders","key":"a","data":""}`},
		{"message", `{"type":"message","topic":"orders","seq":1,"key":"a"}`},
		{"message", `{"type":"message","topic":"orders","seq":1,"key":"a","data64":"?"}`},
		{"error", `{"type":"error","code":"unheard-of","text":""}`},
		{"acked", `{"type":"acked","topic":"orders","seq":1,"more":1}`},
	} {
		doc.CheckBad(t, bad.name, wsstream.Text(bad.text))
	}
}
