// Command writer makes two files and changes one below a folder, for a test that kills it.
package main

import (
	"fmt"
	"os"

	"msctl.dev/msctl/scaffold"
)

func main() {
	changes, err := scaffold.Plan(os.Args[1], []scaffold.Output{
		{Path: "services/billing/main.go", Data: []byte("package main\n")},
		{Path: "services/billing/run.sh", Data: []byte("true\n"), Exec: true},
	}, []scaffold.Rewrite{{Path: "stack.yaml", Before: []byte("old\n"), After: []byte("new\n")}}, false)
	if err == nil {
		err = scaffold.Write(os.Args[1], changes)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
