package email

import "slices"

// keepsTags reports whether the provider can keep all tags.
func (f Features) keepsTags(tags []string) bool {
	return f.Labels == nil || !slices.ContainsFunc(tags, func(tag string) bool { return !f.Labels("", tag) })
}

// keepsMetadata reports whether the provider can keep all entries of the metadata.
func (f Features) keepsMetadata(metadata map[string]string) bool {
	for name, value := range metadata {
		if f.Labels != nil && !f.Labels(name, value) {
			return false
		}
	}
	return true
}
