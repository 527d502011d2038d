package stack

// Detect returns the language of what a folder holds, or "" and what to do about it.
func Detect(dir string) (Language, string) { return detect(dir) }

// MainPackages returns the folders of Go main packages below dir, where programs usually have them.
func MainPackages(dir string) []string { return mainsBelow(dir) }

// SecretName reports a variable whose name says that its value is not to be shown.
func SecretName(name string) bool { return secretName.MatchString(name) }
