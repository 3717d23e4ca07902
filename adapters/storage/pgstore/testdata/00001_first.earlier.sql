CREATE TABLE record (
  kind     text   COLLATE "C" NOT NULL,
  tenant   text   COLLATE "C" NOT NULL,
  id       text   COLLATE "C" NOT NULL,
  rev      bigint NOT NULL,
  idem     text   COLLATE "C",
  ref      text   COLLATE "C",
  status   text   COLLATE "C" NOT NULL,
  customer text   COLLATE "C" NOT NULL,
  created  bigint NOT NULL,
  queue    text   COLLATE "C",
  due      bigint NOT NULL,
  owner    text   NOT NULL,
  body     bytea  NOT NULL,
  PRIMARY KEY (kind, tenant, id)
);
CREATE UNIQUE INDEX record_idem ON record (kind, idem) WHERE idem IS NOT NULL;
CREATE UNIQUE INDEX record_ref ON record (kind, ref) WHERE ref IS NOT NULL;
CREATE INDEX record_queue ON record (queue, due) WHERE queue IS NOT NULL;
CREATE INDEX record_list ON record (kind, tenant, created, id);
CREATE INDEX record_status ON record (kind, tenant, status, created, id);
CREATE INDEX record_customer ON record (kind, tenant, customer, created, id) WHERE customer <> '';

CREATE TABLE told (
  n       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tenant  text   NOT NULL,
  id      text   NOT NULL,
  type    text   NOT NULL,
  subject text   NOT NULL,
  at      bigint NOT NULL,
  data    bytea
);

CREATE TABLE feed (
  seq     bigint PRIMARY KEY,
  tenant  text   COLLATE "C" NOT NULL,
  id      text   NOT NULL,
  type    text   NOT NULL,
  subject text   NOT NULL,
  at      bigint NOT NULL,
  data    bytea
);
CREATE INDEX feed_tenant ON feed (tenant, seq);

CREATE TABLE person (
  tenant      text    COLLATE "C" NOT NULL,
  id          text    COLLATE "C" NOT NULL,
  email       text    COLLATE "C",
  name        text    NOT NULL,
  metadata    bytea,
  version     bigint  NOT NULL,
  created     bigint  NOT NULL,
  updated     bigint  NOT NULL,
  idem        text    COLLATE "C",
  fingerprint text    NOT NULL,
  original    bytea,
  deleted     boolean NOT NULL,
  PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX person_email ON person (tenant, email) WHERE email IS NOT NULL;
CREATE UNIQUE INDEX person_idem ON person (idem) WHERE idem IS NOT NULL;
CREATE INDEX person_list ON person (tenant, created, id) WHERE NOT deleted;

CREATE TABLE ping (one integer PRIMARY KEY CHECK (one = 1), at bigint NOT NULL);

