package stack

import (
	"bytes"
	"encoding/json"
)

// SchemaPath is the committed copy of [Schema], from the repository's root.
const SchemaPath = "docs/stack-v1.schema.json"

// Schema returns the JSON schema of stack.yaml, made from the tables that also read it.
func Schema() []byte {
	s := object(stackTable(), "version").schema
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["$id"] = "https://msctl.dev/schema/stack-v1.schema.json"
	s["title"] = "stack.yaml, version 1"
	s["description"] = "What msctl runs. Keys that begin with x- hold anchors for the rest of the file and mean nothing else."
	s["patternProperties"] = schema{extension.String(): schema{}}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(s); err != nil {
		panic("encode schema: " + err.Error()) // the tables hold only plain values
	}
	return b.Bytes()
}
