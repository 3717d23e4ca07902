package ports

import "context"

type tenantKey struct{}

// WithTenant sets the tenant of a call, so that shared resources can be divided fairly. It is
// not a credential, and grants no access.
func WithTenant(ctx context.Context, tenant string) context.Context {
	return context.WithValue(ctx, tenantKey{}, tenant)
}

// TenantOf returns the tenant of a call, "" if none was set.
func TenantOf(ctx context.Context) string {
	tenant, _ := ctx.Value(tenantKey{}).(string)
	return tenant
}
