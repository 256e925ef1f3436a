namespace shop;
entity Clients { key client_no: Integer64; mail: String; first: String; last: String; country: String(3); blocked: Boolean; }
entity Bills { key bill_no: String; billed_on: Date; client_no: Integer64; total: Decimal(12,2); currency: String(3); order_no: String; }
entity BillLines { key bill_no: String; key line_no: Integer64; billed_on: Date; sku: String; title: String; pieces: Decimal(9,3); price: Decimal(12,2); amount: Decimal(12,2); }
entity Orders { key order_no: String; client_no: Integer64; state: String; placed_at: Timestamp; currency: String(3); total: Decimal(12,2); }
entity OrderLines { key line_id: UUID; order_no: String; sku: String; pieces: Decimal(9,3); amount: Decimal(12,2); state: String; }
@path: '/odata/v4/shop'
@requires: 'any'
service Shop {
  @cds.query.limit: {default: 7, max: 7} entity clients as projection on shop.Clients;
  @cds.query.limit: {default: 7, max: 7} entity bills as projection on shop.Bills;
  @cds.query.limit: {default: 7, max: 7} entity bill_lines as projection on shop.BillLines;
  @cds.query.limit: {default: 7, max: 7} entity orders as projection on shop.Orders;
  @cds.query.limit: {default: 7, max: 7} entity order_lines as projection on shop.OrderLines;
}
