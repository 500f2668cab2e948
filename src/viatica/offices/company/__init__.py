"""The company as every other office knows it: entities, departments, people, cost centres, cities, rates."""
