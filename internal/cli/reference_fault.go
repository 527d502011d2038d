package cli

import (
	"bytes"
	"fmt"
	"strings"

	"msctl.dev/msctl/chaos"
)

// faultPage is the reference of the kinds of faults.
func faultPage() []byte {
	var b bytes.Buffer
	b.WriteString("# Faults\n\n`msctl chaos add TARGET KIND[=VALUE][,PARAMETER=VALUE…]… [OPTION=VALUE…]`; the value behind a kind is its first parameter.\n\n")
	b.WriteString("| option | what it says |\n| --- | --- |\n")
	for _, o := range chaos.Options {
		fmt.Fprintf(&b, "| `%s=` | %s |\n", o.Name, bars(o.Doc))
	}
	for _, k := range chaos.Kinds {
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n", k.Name, upper(k.Doc))
		fmt.Fprintf(&b, "Acts on: %s%s%s.\n", k.Layer, only("; edges that speak ", k.Protocols), only("; requests told apart by ", k.Match))
		if len(k.Params) > 0 {
			b.WriteString("\n| parameter | type | what it is |\n| --- | --- | --- |\n")
		}
		for _, p := range k.Params {
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", p.Name, p.Type, bars(p.Describe()))
		}
		fmt.Fprintf(&b, "\n```sh\nmsctl chaos add %s\n```\n", k.Example)
	}
	return b.Bytes()
}

func only(what string, names []string) string {
	if len(names) == 0 {
		return ""
	}
	return what + strings.Join(names, ", ")
}

// bars keeps a text inside one cell of a table.
func bars(text string) string { return strings.ReplaceAll(text, "|", `\|`) }

func upper(text string) string { return strings.ToUpper(text[:1]) + text[1:] }
