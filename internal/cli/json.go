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
	sep := ","
	if string(body) == "{}" {
		sep = ""
	}
	_, err = fmt.Fprintf(w, "{\"type\":%q%s%s\n", kind, sep, body[1:])
	return err
}
