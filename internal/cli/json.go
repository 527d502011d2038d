package cli

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// jsonFlag adds --json to a command that prints data.
func jsonFlag(cmd *cobra.Command) *bool {
	return cmd.Flags().Bool("json", false, "print one JSON object per line, each with a \"type\"")
}

// writeJSON prints v, a struct, as one line with "type" first.
func writeJSON(w io.Writer, kind string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return writeLine(w, kind, body)
}

// writeLine prints the JSON of a struct as one line with "type" first.
func writeLine(w io.Writer, kind string, body []byte) error {
	sep := ","
	if string(body) == "{}" {
		sep = ""
	}
	_, err := fmt.Fprintf(w, "{\"type\":%q%s%s\n", kind, sep, inert(body)[1:])
	return err
}

// inert escapes what some terminals act on and package json leaves as it is: DEL, and the control
// characters above it.
func inert(text []byte) []byte {
	var out []byte
	kept := 0
	for i := 0; i < len(text); i++ {
		c, size := rune(text[i]), 1
		if c == 0xc2 && i+1 < len(text) {
			c, size = rune(text[i+1]), 2
		}
		if c != 0x7f && (size == 1 || c > 0x9f) {
			continue
		}
		out = fmt.Appendf(append(out, text[kept:i]...), `\u%04x`, c)
		i += size - 1
		kept = i + 1
	}
	if out == nil {
		return text
	}
	return append(out, text[kept:]...)
}
