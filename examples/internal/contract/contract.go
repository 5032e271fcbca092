// Package contract checks the messages of the example programs against their AsyncAPI documents, in
// tests.
package contract

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/wsstream/wsstream"
)

// A TB is what a check needs of its test.
type TB interface {
	require.TestingT
	Helper()
}

// A Document is an AsyncAPI document. Its methods may be called concurrently.
type Document struct {
	messages map[string]*jsonschema.Schema // by their names among the components
	examples map[string]any                // of each message; nil for none
}

// Open reads a document, and the schema of each message among its components.
func Open(t TB, path string) *Document {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	var doc any
	require.NoError(t, yaml.Unmarshal(text, &doc))
	text, err = json.Marshal(doc) // the types of values that a schema knows
	require.NoError(t, err)
	doc, err = jsonschema.UnmarshalJSON(bytes.NewReader(text))
	require.NoError(t, err)
	url := "file:///" + filepath.ToSlash(filepath.Base(path))
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft7) // AsyncAPI 3.0, Schema Object
	require.NoError(t, c.AddResource(url, doc))
	d := &Document{map[string]*jsonschema.Schema{}, map[string]any{}}
	components := doc.(map[string]any)["components"].(map[string]any)
	for name, message := range components["messages"].(map[string]any) {
		schema, err := c.Compile(url + "#/components/messages/" + name + "/payload")
		require.NoError(t, err)
		d.messages[name] = schema
		d.examples[name] = message.(map[string]any)["examples"]
	}
	require.NotEmpty(t, d.messages)
	return d
}

// Check checks a message against the one of that name in the document. A text message is JSON. A
// binary message is a string with a character from U+0000 to U+00FF for each byte.
func (d *Document) Check(t TB, name string, m wsstream.Message) {
	t.Helper()
	require.NoError(t, d.validate(name, m))
}

// CheckBad checks that a message is not the one of that name.
func (d *Document) CheckBad(t TB, name string, m wsstream.Message) {
	t.Helper()
	require.Error(t, d.validate(name, m), "%.200q", m.Data)
}

// CheckExamples checks the examples that the document has of its messages.
func (d *Document) CheckExamples(t TB) {
	t.Helper()
	checked := 0
	for name, examples := range d.examples {
		examples, _ := examples.([]any)
		for _, e := range examples {
			require.NoError(t, d.messages[name].Validate(e.(map[string]any)["payload"]), name)
			checked++
		}
	}
	require.Positive(t, checked)
}

func (d *Document) validate(name string, m wsstream.Message) error {
	schema := d.messages[name]
	if schema == nil {
		return &unknown{name}
	}
	if m.Type == wsstream.TypeText {
		v, err := jsonschema.UnmarshalJSON(bytes.NewReader(m.Data))
		if err != nil {
			return err
		}
		return schema.Validate(v)
	}
	characters := make([]rune, len(m.Data))
	for i, b := range m.Data {
		characters[i] = rune(b)
	}
	return schema.Validate(string(characters))
}

type unknown struct{ name string }

func (u *unknown) Error() string { return "the document has no message " + u.name }
