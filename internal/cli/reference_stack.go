package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
)

// kindPage describes every kind of resource with its recipes.
func kindPage() []byte {
	var b bytes.Buffer
	b.WriteString("# Kinds of resources\n\n" + generated +
		"What `type:` of a resource in stack.yaml may say. Of the ways to run a kind, `msctl up` takes the first that this\n" +
		"machine can run, unless `--runtime`, or `runtime:` of the resource, names one; `msctl doctor` says which and why.\n\n")
	for _, k := range resource.Kinds {
		fmt.Fprintf(&b, "## %s\n\n%s.\n\n", k.Name, k.Doc)
		if k.Shared {
			b.WriteString("Resources of this type share one server, each with a database, user or virtual host of its own.\n\n")
		}
		b.WriteString("| runs as | server | needs | ports |\n|---|---|---|---|\n")
		for _, r := range k.Recipes {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.Runtime, r.Name, recipeNeeds(r), recipePorts(r))
		}
		b.WriteString("\n")
		for _, r := range k.StandIn {
			fmt.Fprintf(&b, "`embedded: %s` puts %s in its place where nothing else runs: another server, with a URL of its own.\n\n", r.Name, r.Name)
		}
	}
	return b.Bytes()
}

// recipeNeeds says what must be there for a recipe.
func recipeNeeds(r *resource.Recipe) string {
	switch r.Runtime {
	case resource.InEngine:
		if len(r.Images) == 0 {
			return "a container engine and the image that the resource names"
		}
		return "a container engine; image `" + strings.Join(r.Images, "`, else `") + "`"
	case resource.Native:
		need := "installed: `" + strings.Join(r.Programs, "`, `") + "`"
		var packages []string
		for _, p := range r.Packages {
			packages = append(packages, p.Manager+" "+p.Names)
		}
		if len(packages) > 0 {
			need += " (" + strings.Join(packages, "; ") + ")"
		}
		return need
	}
	return "nothing"
}

func recipePorts(r *resource.Recipe) string {
	var names []string
	for _, l := range r.Listens {
		names = append(names, l.Name)
	}
	if len(names) == 0 {
		return "–"
	}
	return strings.Join(names, ", ")
}

// keys is the part of a JSON schema that says which keys a mapping has.
type keys struct {
	Description string
	Properties  map[string]*keys
	More        json.RawMessage `json:"additionalProperties"` // the schema of named entries, or false
	Items       *keys
	AnyOf       []*keys `json:"anyOf"`
}

// stackPage describes every key of stack.yaml, from its schema.
func stackPage() []byte {
	var root keys
	if err := json.Unmarshal(stack.Schema(), &root); err != nil {
		panic("read own schema: " + err.Error())
	}
	var b bytes.Buffer
	b.WriteString("# Keys of stack.yaml\n\n" + generated +
		"What each key means, and what it is where it is not written. `msctl schema` prints the same as a JSON schema, with\n" +
		"which editors check as you type.\n\n")
	writeKeys(&b, "", &root)
	return b.Bytes()
}

// writeKeys is one section per mapping: its keys, then the mappings below it.
func writeKeys(b *bytes.Buffer, path string, k *keys) {
	title := path
	if path == "" {
		title = "the file"
	}
	if len(k.Properties) > 0 {
		fmt.Fprintf(b, "## %s\n\n| key | |\n|---|---|\n", title)
		for _, name := range slices.Sorted(maps.Keys(k.Properties)) {
			fmt.Fprintf(b, "| `%s` | %s |\n", name, inTable(k.Properties[name].Description))
		}
		b.WriteString("\n")
	}
	for _, name := range slices.Sorted(maps.Keys(k.Properties)) {
		writeBelow(b, strings.TrimPrefix(path+"."+name, "."), k.Properties[name])
	}
}

// writeBelow finds the mappings that a value may be.
func writeBelow(b *bytes.Buffer, path string, k *keys) {
	if len(k.Properties) > 0 {
		writeKeys(b, path, k)
	}
	var named keys
	if len(k.More) > 0 && k.More[0] == '{' && json.Unmarshal(k.More, &named) == nil {
		writeBelow(b, path+".NAME", &named)
	}
	if k.Items != nil {
		writeBelow(b, path+"[]", k.Items)
	}
	for _, one := range k.AnyOf {
		writeBelow(b, path, one)
	}
}
