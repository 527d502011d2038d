package cli

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// serviceNames returns the names in stack.yaml, services first, or none where it cannot be read.
func (a *App) serviceNames() []string {
	st, err := a.load("")
	if err != nil {
		return nil
	}
	var names []string
	for _, s := range st.Services {
		names = append(names, s.Name)
	}
	for _, r := range st.Resources {
		names = append(names, r.Name)
	}
	return names
}

// completeNames completes names of services and resources that are not on the line yet.
func (a *App) completeNames(_ *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
	var out []string
	for _, n := range a.serviceNames() {
		if strings.HasPrefix(n, begun) && !slices.Contains(given, n) {
			out = append(out, n)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completeOne completes the first word only.
func (a *App) completeOne(cmd *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(given) > 0 {
		return nil, cobra.ShellCompDirectiveDefault
	}
	return a.completeNames(cmd, given, begun)
}

// completeScale completes "orders=".
func (a *App) completeScale(cmd *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
	names, _ := a.completeNames(cmd, given, begun)
	for i := range names {
		names[i] += "="
	}
	return names, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

// completeTask completes a service, then one of its tasks.
func (a *App) completeTask(cmd *cobra.Command, given []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(given) != 1 {
		return a.completeOne(cmd, given, begun)
	}
	st, err := a.load("")
	if err != nil || st.Service(given[0]) == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for _, t := range st.Service(given[0]).Tasks {
		if strings.HasPrefix(t.Name, begun) {
			out = append(out, t.Name)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completeProfile completes the names of profiles.
func (a *App) completeProfile(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	st, err := a.load("")
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []string
	for _, p := range st.Profiles {
		out = append(out, p.Name)
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
